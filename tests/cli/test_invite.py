"""`mycelium invite`, beside a daemon that leaves the invitation in a file."""

import json
import sys
from pathlib import Path

import pytest

from mycelium.admin.control import InvitationWish
from mycelium.cli import invite
from mycelium.cli.main import main
from tests.api.support import FakeNode

Capture = pytest.CaptureFixture[str]

URI = "mycelium:join?v=1&p=udp://hub.example.org:9651%23" + "ab" * 32 + "&n=corp&t=AAECAwQFBgcICQoLDA0ODw"


@pytest.fixture(autouse=True)
def file(node: FakeNode, tmp_path: Path) -> Path:
    """Where the daemon leaves the invitation."""
    node.invitation = tmp_path / "key.invitation-0102"
    node.invitation.write_text(URI + "\n")
    return node.invitation


def test_one_line_is_printed_and_the_file_is_gone(daemon: str, node: FakeNode, file: Path, capsys: Capture) -> None:
    assert main(["--api-addr", daemon, "invite"]) == 0
    assert capsys.readouterr().out == f"mycelium join '{URI}'\n"
    assert node.wishes == [InvitationWish()]
    assert not file.exists()


def test_the_daemon_is_told_what_is_wished(daemon: str, node: FakeNode) -> None:
    words = ["--uses", "3", "--expires", "7d", "--name", "laptop", "--at", "hub.example.org", "--at", "192.0.2.1"]
    assert main(["--api-addr", daemon, "invite", *words]) == 0
    assert node.wishes == [InvitationWish(["hub.example.org", "192.0.2.1"], "laptop", 3, 7 * 86_400.0)]


def test_programs_get_json(daemon: str, capsys: Capture) -> None:
    assert main(["--api-addr", daemon, "invite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"uri": URI, "expires": 1_795_000_000.0}


def test_a_person_gets_a_qr_code_too(daemon: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    pytest.importorskip("segno")
    monkeypatch.setattr(invite, "is_terminal", lambda: True)
    assert main(["--api-addr", daemon, "invite"]) == 0
    line, *code, _, note = capsys.readouterr().out.splitlines()
    assert line == f"mycelium join '{URI}'"
    assert len(code) > 20
    assert max(map(len, code)) < 80
    assert note.startswith("Good for 1 host until 20")


def test_without_the_library_of_qr_codes_it_says_so(
    daemon: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(invite, "is_terminal", lambda: True)
    monkeypatch.setitem(sys.modules, "segno", None)
    assert main(["--api-addr", daemon, "invite", "--uses", "9"]) == 0
    printed = capsys.readouterr().out
    assert "no QR code: 'pip install segno' makes them possible" in printed
    assert "Good for 9 hosts until " in printed


@pytest.mark.parametrize("text", ["", "soon", "0h", "-1h", "1.5h", "1w", "100000d"])
def test_what_is_no_time_is_a_mistake_of_usage(text: str, capsys: Capture) -> None:
    assert main(["invite", "--expires", text]) == 2
    assert "is not a time such as 30m, 1h or 7d" in capsys.readouterr().err


def test_a_file_that_only_the_daemons_user_may_read_is_named(daemon: str, file: Path, capsys: Capture) -> None:
    file.unlink()
    assert main(["--api-addr", daemon, "invite"]) == 1
    assert f"the invitation is in {file}, which can't be read here" in capsys.readouterr().err
