"""A namespace is a host of its own."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.lab import namespaces
from tests.lab.conftest import Pair
from tests.lab.ping import ping
from tests.lab.waiting import PATIENCE_S

pytestmark = pytest.mark.netns


def test_a_host_has_names_of_its_own(pair: Pair) -> None:
    one, two, cable = pair
    one.name_hosts({"two.test": cable.end(two).ipv4})
    assert ping(one, "two.test").received == 1
    still_running = one.start(
        "sh", "-c", "read _; getent hosts two.test", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    one.name_hosts({"two.test": "192.0.2.2"})
    assert still_running.communicate("now\n", timeout=PATIENCE_S)[0].split() == ["192.0.2.2", "two.test"]


def test_the_last_host_with_names_removes_the_file_under_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(namespaces, "HOSTS_FILE", tmp_path / "hosts")
    with namespaces._hosts_file():
        with namespaces._hosts_file():
            pass
        assert namespaces.HOSTS_FILE.exists(), "another host has mounted its own over it"
    assert not namespaces.HOSTS_FILE.exists()
    namespaces.HOSTS_FILE.write_text("127.0.0.1 localhost\n")
    with namespaces._hosts_file():
        pass
    assert namespaces.HOSTS_FILE.exists(), "that of the system"


def test_sockets_made_inside_are_seen_there_only(pair: Pair) -> None:
    one, two, _ = pair
    with one.entered():
        listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        port = listener.getsockname()[1]
        assert one.listens(port)
        assert not two.listens(port)


def test_a_failed_command_shows_what_it_said(pair: Pair) -> None:
    with pytest.raises(AssertionError, match="No such file"):
        pair[0].run("ls", "/nowhere")
    assert pair[0].run("ls", "/nowhere", check=False).returncode != 0


def test_interfaces_are_found_by_name(pair: Pair) -> None:
    assert pair[0].has_interface("eth0")
    assert not pair[0].has_interface("eth1")


def test_a_kernel_parameter_is_set_here_only(pair: Pair) -> None:
    one, two, _ = pair
    one.sysctl("net.ipv4.ip_forward", 1)
    assert [host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() for host in (one, two)] == ["1", "0"]
