"""`mycelium top`: once for programs and people, and on a terminal until q is pressed."""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.cli import top
from mycelium.cli.main import main
from tests.api.fake_diagnosis import NEAR
from tests.api.support import ADDRESS, FakeNode
from tests.cli.support import served
from tests.lab.waiting import wait_until

Capture = pytest.CaptureFixture[str]
PATIENT_S = 30.0


def test_one_second_is_json_or_one_screen(daemon: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "_EVERY_S", 0.01)
    assert main(["top", "--once", "--json", "--api-addr", daemon]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["address"], told["links"][0]["address"], told["links"][0]["txRate"]) == (ADDRESS, NEAR, 0.0)
    assert main(["top", "--once", "--api-addr", daemon]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(ADDRESS)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


class Terminal:
    """A terminal of 80x24 with a program on it."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        self._theirs = theirs
        os.set_blocking(self._ours, False)
        self.text = ""

    def shows(self, text: str) -> bool:
        with contextlib.suppress(OSError):
            self.text += os.read(self._ours, 65_536).decode(errors="replace")
        return text in self.text

    def type(self, key: str) -> None:
        self.text = ""
        os.write(self._ours, key.encode())

    def close(self) -> list[object]:
        """Returns the terminal's modes after the program's end."""
        modes = termios.tcgetattr(self._theirs)
        os.close(self._theirs)
        os.close(self._ours)
        return modes


def test_keys_sort_pause_and_end_it_and_the_terminal_is_as_before(tmp_path: Path) -> None:
    with served(FakeNode(), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        terminal = Terminal([sys.executable, "-m", "mycelium", "top", "--api-addr", str(address)])
        try:
            for key, text in (
                ("", "sorted by traffic"),
                ("s", "sorted by rtt"),
                ("p", "paused"),
                ("p", "sorted by rtt"),
                ("\x1b[B", f"> {NEAR}"),
                ("\r", "Events of this link"),
                ("\x1b", "sorted by rtt"),
            ):
                if key:
                    terminal.type(key)
                wait_until(lambda text=text: terminal.shows(text), PATIENT_S, f"{text} is shown")  # type: ignore[misc]
            terminal.type("q")
            wait_until(lambda: terminal.shows("\x1b[?1049l"), PATIENT_S, "the screen is given back")
            assert terminal.program.wait(PATIENT_S) == 0
        finally:
            terminal.program.kill()
            terminal.program.wait()
        assert terminal.close() == terminal.before


def test_a_daemon_that_stops_ends_it_with_one_line(tmp_path: Path) -> None:
    with served(FakeNode(), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        terminal = Terminal([sys.executable, "-m", "mycelium", "top", "--api-addr", str(address)])
        wait_until(lambda: terminal.shows(ADDRESS), PATIENT_S, "it is shown")
    try:
        wait_until(lambda: terminal.shows("mycelium: no daemon"), PATIENT_S, "the end is told")
        assert terminal.program.wait(PATIENT_S) == 3
    finally:
        terminal.program.kill()
        terminal.program.wait()
        terminal.close()
