"""What is read of the host that the tests run on."""

import os
import socket
import time
from pathlib import Path

import pytest

from mycelium.admin.config import Settings
from mycelium.cli import host_facts


def settings(folder: Path, *, no_tun: bool = True) -> Settings:
    return Settings(key_file=folder / "key", no_tun=no_tun)


def test_the_kernel_says_whether_its_clock_is_kept() -> None:
    assert host_facts.is_clock_synchronised() in (True, False, None)


def test_the_rights_are_those_of_this_process() -> None:
    assert host_facts.has_net_admin() or os.geteuid() != 0


def test_a_running_daemon_matters_by_clock_ipv6_and_route() -> None:
    found = host_facts.running("no-such-interface", ["udp://0.0.0.0:9651", "tcp://[::]:9651"])
    assert found.time_s == pytest.approx(time.time(), abs=60)
    assert found.software.startswith("Python 3.")
    assert "cryptography " in found.software
    assert (found.overlay_source is None) == (found.no_overlay_route is not None)


def test_a_port_that_another_program_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as held:
        held.bind(("::", 0))
        port = held.getsockname()[1]
        monkeypatch.setattr(host_facts, "DEFAULT_PORT", port)
        found = host_facts.before_a_start(settings(tmp_path))
    assert found.port_trouble == f"UDP port {port}: Address already in use"


def test_files_that_cannot_be_used_are_told_with_their_flags(tmp_path: Path) -> None:
    assert host_facts.before_a_start(settings(tmp_path)).file_troubles == []
    (tmp_path / "key").write_bytes(b"junk")
    [trouble] = host_facts.before_a_start(settings(tmp_path)).file_troubles
    assert trouble.startswith(f"--key-file: the key file {tmp_path}/key has 4 bytes")


def test_a_relay_needs_neither_device_nor_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_facts, "_TUN", tmp_path / "tun")
    monkeypatch.setattr(host_facts, "has_net_admin", lambda: False)
    relay = host_facts.before_a_start(settings(tmp_path))
    assert (relay.device_trouble, relay.lacks_rights) == (None, False)
    node = host_facts.before_a_start(settings(tmp_path, no_tun=False))
    assert (node.device_trouble, node.lacks_rights) == (f"{tmp_path}/tun: No such file or directory", True)


@pytest.mark.parametrize(("answer", "count"), [("exit 1", None), ("echo not json", None), ("echo '{}'", 0)])
def test_rules_are_read_where_they_can_be(monkeypatch: pytest.MonkeyPatch, answer: str, count: int | None) -> None:
    monkeypatch.setattr(host_facts, "_RULES", ("sh", "-c", answer))
    found = host_facts.running(None, ["udp://0.0.0.0:9651"]).obstacles
    assert (None if found is None else len(found)) == count
