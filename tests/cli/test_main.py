"""One command line, in the test or as a program: its exit status, and any error as one line on standard error."""

import os
import subprocess
import sys

import pytest

from mycelium import __version__
from mycelium.admin.config import Settings
from mycelium.cli.main import main
from mycelium.errors import DeviceError
from tests.cli.support import replace_daemon

Capture = pytest.CaptureFixture[str]


def test_the_daemons_status_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_daemon(monkeypatch, lambda settings: 3)
    assert main([]) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (
            ["--peers", "host:1"],
            1,
            "mycelium: --peers: 'host:1' is not a valid URL: the scheme is missing, as in udp://",
        ),
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
