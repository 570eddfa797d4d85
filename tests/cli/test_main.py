"""One command line, in the test or as a program: its exit status, and any error as one line on standard error."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from mycelium import __version__
from mycelium.admin.config import Settings
from mycelium.cli.main import cli, main
from mycelium.errors import DeviceError
from tests.api.support import KEY
from tests.cli.support import replace_daemon

Capture = pytest.CaptureFixture[str]


def test_the_daemons_status_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_daemon(monkeypatch, lambda settings: 3)
    assert main([]) == 3


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (
            ["--listen", "[::]:1"],
            2,
            "mycelium: --listen: '[::]:1' is not a valid URL: the scheme is missing, as in udp://[::]:9651",
        ),
        (["--peers"], 2, "mycelium: Option '--peers' requires a value (see 'mycelium run --help')"),
        (["--peers", "--debug"], 2, "mycelium: Option '--peers' requires a value (see 'mycelium run --help')"),
        (["--unknown"], 2, "mycelium: No such option '--unknown'"),
        (["unknown"], 2, "mycelium: No such command 'unknown'"),
        (["run", "stray"], 2, "mycelium: Got unexpected extra argument"),
        (["-c", "/none.toml"], 2, "mycelium: /none.toml: No such file or directory"),
        (["--log-format", "xml"], 2, "mycelium: --log-format: 'xml' is not one of"),
        (["peers", "lst"], 2, "mycelium: No such command 'lst'"),
        (["help", "peers", "lst"], 2, "mycelium: No such command 'peers lst'"),
        (["help", "status", "x"], 2, "mycelium: No such command 'status x'"),
        (["--json"], 2, "mycelium: --json is for commands that print something"),
        (["--json", "run"], 2, "mycelium: --json is for commands that print something"),
        (["--vsock-listen-port", "7"], 2, "mycelium: --vsock-listen-port is a flag of the Rust Mycelium: there are no"),
        (["--enable-dns", "--no-tun"], 2, "mycelium: --enable-dns is a flag of the Rust Mycelium: "),
        (["run", "--update-workers=300"], 2, "mycelium: --update-workers: must be a number from 1 to 254"),
        (["-t", "x"], 2, "mycelium: --tcp-listen-port: must be a number from 1 to 65535"),
        (["message", "send"], 2, "mycelium: 'message' is a command of the Rust Mycelium: "),
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
        (OSError(24, "Too many open files"), "mycelium: Too many open files\n"),
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


def run_program(*words: str, stdout: Any = subprocess.PIPE, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mycelium", *words]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=30, check=False, **options)


def test_the_module_runs_as_a_program() -> None:
    finished = run_program("--version")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"mycelium {__version__}\n", "")


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["version"]])
def test_the_version_can_be_asked_for_in_any_way(capsys: Capture, words: list[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr() == (f"mycelium {__version__}\n", "")


def test_the_version_is_json_where_that_is_asked_for(capsys: Capture) -> None:
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": __version__}


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_goes_to_standard_output(capsys: Capture, words: list[str]) -> None:
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "generate-keys" in output.out
    assert "The exit status is 0 if all was done" in " ".join(output.out.split())


@pytest.mark.parametrize("words", [["peers", "add", "-h"], ["help", "peers", "add"], ["peers", "add", "--help"]])
def test_each_command_has_its_help(capsys: Capture, words: list[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("Usage: mycelium peers add [OPTIONS] URL...\n")


@pytest.mark.parametrize("words", [["run", "--help"], ["inspect", KEY], ["inspect", "--json", KEY]])
def test_a_reader_that_goes_away_is_no_traceback(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        finished = run_program(*words, stdout=closed)
    assert (finished.returncode, finished.stderr) == (141, "")


def test_a_full_disk_is_one_line() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}  # as for most users
    with open("/dev/full", "w") as full:
        finished = run_program("inspect", KEY, stdout=full, env=buffered)
    assert (finished.returncode, finished.stderr) == (1, "mycelium: standard output: No space left on device\n")


def test_a_program_without_standard_output_does_its_work() -> None:
    command = ["sh", "-c", f"exec {sys.executable} -m mycelium inspect {KEY} >&-"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "\u7db2"), ("latin-1", "?"), ("utf-8", "\u7db2")])
def test_what_the_encoding_lacks_does_not_keep_the_rest_from_being_printed(
    home: Path, encoding: str, shown: str
) -> None:
    folder = home / "\u7db2"
    folder.mkdir()
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LANG": "C"}
    finished = run_program("generate-keys", "-k", str(folder / "key"), env=environment)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert f"{home}/{shown}/key" in finished.stdout


def test_the_command_line_imports_nothing_large() -> None:
    heavy = "{'aiohttp', 'rich', 'asyncio', 'pyroute2', 'cryptography', 'http.client', 'tomllib'}"
    code = f"import mycelium.cli.main, mycelium.admin.config, sys; print(sorted({heavy} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert finished.stdout == "[]\n", finished.stderr


def test_what_slows_down_a_start_is_imported_where_it_is_needed() -> None:
    slow = ("asyncio", "cryptography", "msgspec", "nacl", "rich", "ssl")
    code = f"import sys; import mycelium.cli.main; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def listed(group: click.Group) -> list[str]:
    """Returns the lines of a group's list of commands at 80 columns, and those of the groups in it."""
    with click.Context(group, terminal_width=80) as context:
        formatter = context.make_formatter()
        group.format_commands(context, formatter)
    groups = [one for one in group.commands.values() if isinstance(one, click.Group)]
    return [*formatter.getvalue().splitlines(), *(line for one in groups for line in listed(one))]


def test_no_sentence_of_a_list_of_commands_is_cut() -> None:
    lines = listed(cli)
    assert len(lines) > 40
    assert [line for line in lines if line.endswith("...")] == []
