"""`mycelium capture` and `mycelium dissect`: what they write and print, for whom, and how they end."""

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.api.client import ApiClient
from mycelium.capture.pcapng import datagram_block, head
from mycelium.cli.capture import _for_a_while
from mycelium.cli.main import main
from mycelium.endpoint import Endpoint
from tests.api.support import CAPTURE, FakeNode
from tests.cli.support import on_a_terminal, served

Capture = pytest.CaptureFixture[str]
LINE = "from udp://198.51.100.7:9651 cookie: bytes 52, to index 00000000"


def test_a_file_is_the_owners_and_says_loudly_what_it_holds(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(b"older, and longer than what comes" * 100)
    file.chmod(0o644)
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["capture", "-w", str(file), "--api-addr", str(address)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == b"".join(CAPTURE)
    assert "holds the keys of this node's links and sessions" in capsys.readouterr().err
    assert main(["dissect", str(file)]) == 0
    printed = capsys.readouterr()
    assert LINE in printed.out
    assert printed.err == "mycelium: 3 datagrams missing so far: there were too many\n"
    assert main(["dissect", str(file), "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["time"], told["sent"], told["datagram"]["title"]) == (1_795_000_000.25, False, "cookie")


def test_without_a_file_it_shows_what_passes(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["capture", "--api-addr", str(address)]) == 0
        assert LINE in capsys.readouterr().out
        node.signs_of_life = 100_000
        assert main(["capture", "-s", "0.1", "--json", "--api-addr", str(address)]) == 0
        assert json.loads(capsys.readouterr().out)["endpoint"] == "udp://198.51.100.7:9651"


def test_it_is_for_the_owner_alone(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    token = tmp_path / "token"
    token.write_text("secret-secret-secret")
    token.chmod(0o600)
    with served(node, ApiAddress.parse("127.0.0.1:0")) as address:
        assert main(["capture", "--api-addr", str(address)]) == 1
        assert "this call reveals keys" in capsys.readouterr().err
    with served(node, ApiAddress.parse("127.0.0.1:0"), token="secret-secret-secret") as address:
        assert main(["capture", "--api-addr", str(address), "--api-token-file", str(token)]) == 0
        assert LINE in capsys.readouterr().out
    node.is_captured = True
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["capture", "--api-addr", str(address)]) == 1
        assert "another capture is under way" in capsys.readouterr().err


def test_links_and_terminals_get_no_capture(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["capture", "-w", str(link), "--api-addr", str(address)]) == 1
        assert not (tmp_path / "elsewhere").exists()
        assert main(["capture", "-w", "/dev/null", "--api-addr", str(address)]) == 1
        assert "no regular file" in capsys.readouterr().err
        program = [sys.executable, "-m", "mycelium", "--api-addr", str(address), "capture", "-w", "-"]
        assert "A capture is no text" in on_a_terminal(program, columns=200)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"text, not a capture", "no capture of mycelium"), (b"".join(CAPTURE)[:-3], "is cut off")],
)
def test_what_is_no_capture_or_is_damaged_is_said(tmp_path: Path, content: bytes, told: str, capsys: Capture) -> None:
    file = tmp_path / "x"
    file.write_bytes(content)
    assert main(["dissect", str(file)]) == 1
    assert told in capsys.readouterr().err


def test_what_others_wrote_moves_no_terminal(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "x"
    file.write_bytes(
        head() + datagram_block(b"", Endpoint("udp", "192.0.2.1", 1), "\x1b]0;x\x07", is_sent=True, at=1.0)
    )
    assert main(["dissect", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "?]0;x?" in shown
    assert "\x1b" not in shown


def test_an_older_capture_stays_where_no_daemon_answers(tmp_path: Path) -> None:
    file = tmp_path / "x.pcapng"
    file.write_bytes(b"older")
    assert main(["capture", "-w", str(file), "--api-addr", f"unix:{tmp_path}/api.sock"]) == 3
    assert file.read_bytes() == b"older"


@pytest.mark.parametrize("flags", [("-w", "x.pcapng"), ()])
def test_an_end_in_the_middle_of_a_block_leaves_the_block_out(
    tmp_path: Path, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def parts(_: ApiClient) -> Iterator[bytes]:
        yield b"".join(CAPTURE)[:-3]
        raise KeyboardInterrupt

    monkeypatch.setattr(ApiClient, "capture", parts)
    monkeypatch.chdir(tmp_path)
    assert main(["capture", *flags]) == 0
    if flags:
        assert main(["dissect", "x.pcapng"]) == 0
    assert LINE in capsys.readouterr().out


def test_the_interrupt_of_a_person_is_its_end() -> None:
    def parts() -> Iterator[bytes]:
        yield CAPTURE[0]
        raise KeyboardInterrupt

    assert list(_for_a_while(parts(), None)) == [CAPTURE[0]]
