"""Where a command looks for its daemon, and what it says where there is none."""

import re
import socket
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.cli.main import main
from tests.api.support import FakeNode, answering
from tests.cli.support import served

Capture = pytest.CaptureFixture[str]


def test_the_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    addresses = [ApiAddress.parse(f"unix:{tmp_path}/{name}") for name in ("flag", "environment", "file")]
    (home / ".config/mycelium").mkdir(parents=True)
    (home / ".config/mycelium/mycelium.toml").write_text(f'api_addr = "{addresses[2]}"')

    def asked(*flags: str) -> str:
        assert main([*flags, "status"]) == 3
        return capsys.readouterr().err

    assert f"{addresses[2]}: is it running" in asked()
    monkeypatch.setenv("MYCELIUM_API_ADDR", str(addresses[1]))
    assert f"{addresses[1]}: is it running" in asked()
    assert f"{addresses[0]}: is it running" in asked("--api-addr", str(addresses[0]))


def test_a_token_is_sent_where_one_is_set(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("correct-horse-battery\n")
    with served(node, ApiAddress("127.0.0.1", 0), token="correct-horse-battery") as address:
        assert main(["status", "--api-addr", str(address)]) == 1
        assert capsys.readouterr().err == "mycelium: this call needs the API token (--api-token-file)\n"
        assert main(["status", "--api-addr", str(address), "--api-token-file", str(tmp_path / "token")]) == 0


@pytest.mark.parametrize("address", ["unix:{}/none.sock", "127.0.0.1:1"])
def test_without_a_daemon_the_user_is_asked_whether_it_runs(tmp_path: Path, capsys: Capture, address: str) -> None:
    address = address.format(tmp_path)
    assert main(["status", "--api-addr", address]) == 3
    assert capsys.readouterr().err == f"mycelium: no daemon is listening at {address}: is it running?\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 File not found\r\nServer: SimpleHTTP/0.6\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1]/login\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x15\x03\x03\x00\x02\x02\x46",
        b"",
    ],
    ids=["404", "redirect", "page", "nothing", "ssh", "tls", "closes"],
)
@pytest.mark.parametrize(
    "command", ["status", "peers", "routes", "events", "peers add udp://a", "peers remove udp://a"]
)
def test_whatever_else_answers_is_no_mycelium(capsys: Capture, answer: bytes, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with answering(listener, answer):
            assert main([*command.split(), "--api-addr", f"127.0.0.1:{port}"]) == 3
    told = capsys.readouterr().err
    assert re.match(rf"mycelium: what (is at|answers at) 127\.0\.0\.1:{port}\b.* is no mycelium", told)
    assert told.count("\n") == 1
