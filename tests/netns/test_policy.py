"""The policy that a start without settings has: what comes in, what is said of it, and other rules by SIGHUP."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.daemon import PROGRAM, LabDaemon
from tests.lab.mesh import line
from tests.lab.ping import ping
from tests.lab.traffic import echo_udp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

SERVICE = 2_222


@contextmanager
def listening(daemon: LabDaemon) -> Iterator[None]:
    """Has a program listen at a port of a host's overlay address."""
    with daemon.host.entered():
        listener = socket.create_server((daemon.address, SERVICE), family=socket.AF_INET6)
    with listener:
        yield


def connects(one: LabDaemon, other: LabDaemon) -> str:
    """Returns what a program hears that connects to the port, '' for nothing bad."""
    with one.host.entered():
        tcp = socket.socket(socket.AF_INET6)
    with tcp:
        tcp.settimeout(10)
        try:
            tcp.connect((other.address, SERVICE))
        except OSError as error:
            return str(error)
        return ""


def asked(daemon: LabDaemon, source: str) -> tuple[int, str]:
    """Returns what `mycelium policy test` says about the port."""
    at = ("--api-addr", f"unix:{daemon.api_socket}")
    done = daemon.host.run(PROGRAM, *at, "policy", "test", source, "here", str(SERVICE), check=False)
    return done.returncode, done.stdout


def test_a_host_is_closed_until_its_operator_says_what_comes_in(make_mesh: MakeMesh, tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text("")
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    a.options += ["--config-file", str(config)]
    mesh.start()
    mesh.wait_converged()
    with listening(a), listening(b):
        assert a.get("admin/status")["policy"].startswith("closed: only answers")
        assert "Permission denied" in connects(b, a), "administratively prohibited (RFC 4443)"
        assert connects(a, b) == ""
        assert echo_udp(a.host, b.host, b.address, size=3_000, times=3) == 3
        assert ping(b.host, a.address, count=2, size=3_000).received == 2
        assert ping(a.host, b.address, count=2).received == 2
        assert asked(a, b.address) == (1, "denied: no rule decides about it; the default is closed\n")
        rule = f"allow tcp {SERVICE} from {b.public_key}"
        config.write_text(f'[policy]\npackets = ["{rule}"]\n')
        before = a.newest_event()
        os.kill(a.pid, signal.SIGHUP)
        wait_until(lambda: a.get("admin/policy")["packets"], 20, "other rules")
        assert connects(b, a) == ""
        assert asked(a, b.address) == (0, f"allowed: rule 1 of packets: {rule}\n")
        assert a.events(before, "link-down") == [], "links stay"
        assert a.counters()["packets_denied"] > 0
