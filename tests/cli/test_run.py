"""What the daemon is started with."""

import signal
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from mycelium.cli.main import main
from mycelium.peer_url import PeerUrl
from tests.cli.support import replace_daemon

Capture = pytest.CaptureFixture[str]


def test_the_log_is_set_up_before_the_daemon_starts(
    monkeypatch: pytest.MonkeyPatch, log_settings: list[tuple[bool, str, bool]]
) -> None:
    replace_daemon(monkeypatch, lambda settings: len(log_settings))
    assert main(["--silent", "--log-format", "json"]) == 1
    assert log_settings == [(False, "json", True)]


def test_a_reload_that_is_asked_for_during_the_start_waits_until_the_daemon_can_do_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGHUP would end the process, and one that came just before its handler would be lost."""
    masks: list[bool] = []

    def is_held_back() -> bool:
        return signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def run(settings: Settings) -> int:
        masks.append(is_held_back())
        return 0

    replace_daemon(monkeypatch, run)
    assert main([]) == 0
    assert [*masks, is_held_back()] == [True, False]


def test_no_command_starts_the_daemon(started: list[Settings]) -> None:
    assert main([]) == 0
    assert started[0].peers == ()


@pytest.mark.parametrize("command", [[], ["run"]])
def test_a_flag_takes_many_values_and_may_come_again(started: list[Settings], command: list[str]) -> None:
    assert main([*command, "--peers", "udp://a:1", "udp://b:2", "--debug", "--peers", "udp://c:3", "-k", "mine"]) == 0
    (settings,) = started
    assert settings.peers == (PeerUrl("udp", "a", 1), PeerUrl("udp", "b", 2), PeerUrl("udp", "c", 3))
    assert settings.debug
    assert settings.key_file == Path.cwd() / "mine"


def test_discovery_has_the_flags_of_the_rust_command_line(started: list[Settings]) -> None:
    assert main(["--peer-discovery-interface", "eth0", "--peer-discovery-interface", "wlan0"]) == 0
    assert main(["--disable-peer-discovery", "--peer-discovery-port", "7000"]) == 0
    assert started[0].peer_discovery_interface == ("eth0", "wlan0")
    assert not started[0].disable_peer_discovery
    assert (started[1].disable_peer_discovery, started[1].peer_discovery_port) == (True, 7000)


def test_general_flags_may_stand_before_the_command(started: list[Settings]) -> None:
    assert main(["-d", "--key-file", "run", "--log-format=json", "run", "--no-tun", "--api-addr", "unix:/x"]) == 0
    (settings,) = started
    assert settings.key_file == Path.cwd() / "run"
    assert (settings.debug, settings.log_format, settings.no_tun) == (True, "json", True)
    assert settings.api_addr == ApiAddress.parse("unix:/x")


def test_general_flags_before_other_flags_still_mean_run(started: list[Settings]) -> None:
    assert main(["-c", "/dev/null", "--tun-name", "mesh0", "--listen", "udp://0.0.0.0:1", "udp://[::1]:2"]) == 0
    (settings,) = started
    assert settings.tun_name == "mesh0"
    assert settings.listen == (PeerUrl("udp", "0.0.0.0", 1), PeerUrl("udp", "::1", 2))


def test_a_flag_that_was_not_given_leaves_the_files_value(started: list[Settings], home: Path) -> None:
    path = home / "settings.toml"
    path.write_text('no_tun = true\ndebug = true\ntun_name = "fromfile"\npeers = ["udp://a"]\n')
    assert main(["--config-file", str(path), "--tun-name", "fromflag"]) == 0
    (settings,) = started
    assert (settings.no_tun, settings.debug, settings.tun_name) == (True, True, "fromflag")
    assert settings.peers == (PeerUrl("udp", "a"),)
