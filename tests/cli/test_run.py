import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from mycelium import __version__
from mycelium.admin import logs
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from mycelium.cli.main import main
from mycelium.errors import DeviceError
from mycelium.peer_url import PeerUrl

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the daemon was started with; it ends at once with status 0."""
    settings: list[Settings] = []

    def run(given: Settings) -> int:
        settings.append(given)
        return 0

    replace_daemon(monkeypatch, run)
    return settings


def replace_daemon(monkeypatch: pytest.MonkeyPatch, run: Callable[[Settings], int]) -> None:
    daemon = types.ModuleType("mycelium.daemon.daemon")
    daemon.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mycelium.daemon.daemon", daemon)
    monkeypatch.setattr("mycelium.daemon.daemon", daemon, raising=False)


@pytest.fixture(autouse=True)
def log_settings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, str, bool]]:
    """What the log was set up with; the test runner's own log stays."""
    calls: list[tuple[bool, str, bool]] = []

    def configure(debug: bool, log_format: str, *, silent: bool) -> None:
        calls.append((debug, log_format, silent))

    monkeypatch.setattr(logs, "configure", configure)
    return calls


def test_the_log_is_set_up_before_the_daemon_starts(
    monkeypatch: pytest.MonkeyPatch, log_settings: list[tuple[bool, str, bool]]
) -> None:
    replace_daemon(monkeypatch, lambda settings: len(log_settings))
    assert main(["--silent", "--log-format", "json"]) == 1
    assert log_settings == [(False, "json", True)]


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
    assert started[0].peer_discovery_interfaces == ("eth0", "wlan0")
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


def test_the_daemons_status_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_daemon(monkeypatch, lambda settings: 3)
    assert main([]) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--peers", "host:1"], 1, "mycelium: --peers: 'host:1' is no usable URL: it has no scheme, as in udp://"),
        (["--peers"], 2, "mycelium: Option '--peers' requires a value (see 'mycelium run --help')"),
        (["--peers", "--debug"], 2, "mycelium: Option '--peers' requires a value (see 'mycelium run --help')"),
        (["--unknown"], 2, "mycelium: No such option '--unknown'"),
        (["unknown"], 2, "mycelium: No such command 'unknown'"),
        (["run", "stray"], 2, "mycelium: Got unexpected extra argument"),
        (["-c", "/none.toml"], 1, "mycelium: /none.toml: No such file or directory"),
        (["--log-format", "xml"], 1, "mycelium: --log-format: 'xml' is not one of"),
        (["peers"], 2, "mycelium: Missing command (see 'mycelium peers --help')"),
        (["--key-file"], 2, "mycelium: Option '--key-file' requires an argument"),
    ],
)
def test_a_mistake_is_one_line_on_standard_error(
    started: list[Settings], capsys: Capture, arguments: list[str], status: int, told: str
) -> None:
    assert main(arguments) == status
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(told)
    assert output.err.count("\n") == 1
    assert started == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeviceError("no TUN here"), "mycelium: no TUN here\n"),
        (
            PermissionError(1, "Operation not permitted", "/dev/net/tun"),
            "mycelium: /dev/net/tun: Operation not permitted\n",
        ),
        (KeyError("x"), "mycelium: internal error: KeyError: 'x' (MYCELIUM_TRACEBACK=1 shows where)\n"),
    ],
)
def test_an_error_of_the_daemon_is_told_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, error: Exception, told: str
) -> None:
    def fail(settings: Settings) -> int:
        raise error

    replace_daemon(monkeypatch, fail)
    assert main([]) == 1
    assert capsys.readouterr().err == told


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(settings: Settings) -> int:
        raise KeyboardInterrupt

    replace_daemon(monkeypatch, interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err.strip() == ""


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mycelium", *arguments], capture_output=True, text=True, timeout=30)


def test_the_module_runs_as_a_program() -> None:
    finished = in_a_process("--version")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"mycelium {__version__}\n", "")


def test_help_goes_to_standard_output() -> None:
    finished = in_a_process("--help")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "generate-keys" in finished.stdout


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        finished = subprocess.run(
            [sys.executable, "-m", "mycelium", "run", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )
    assert finished.stderr == ""


def test_the_command_line_imports_nothing_large() -> None:
    heavy = "{'aiohttp', 'rich', 'asyncio', 'pyroute2', 'cryptography', 'http.client', 'tomllib'}"
    code = f"import mycelium.cli.main, mycelium.admin.config, sys; print(sorted({heavy} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert finished.stdout == "[]\n", finished.stderr
