"""The client of the API: its calls, and what it says of a daemon that answers badly or not at all."""

import socket
import threading
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import EventInfo
from mycelium.admin.speed import SpeedWish
from mycelium.api.client import ApiClient
from mycelium.errors import ApiError
from tests.api.fake_diagnosis import FAR
from tests.api.support import ADDRESS, FakeNode, answering
from tests.cli.support import served

OURS = b"HTTP/1.1 %s\r\nServer: mycelium/9\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"is no mycelium \(it says SSH-2.0-OpenSSH_9.2\)"),
        (b"220 mail.example.org ESMTP\r\n", "is no mycelium"),
        (b"\x16\x03\x01\x00\xff\x1b[31m\n", r"is no mycelium \(it says [^\x1b]*\)"),
        (b"", "closed the connection: it is no mycelium, or it is stopping"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is no mycelium"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "is no mycelium"),
        (
            b"HTTP/1.1 404 File not found\r\nServer: SimpleHTTP/0.6\r\nContent-Length: 0\r\n\r\n",
            "404 File not found, server S",
        ),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://[::1]/\r\nContent-Length: 0\r\n\r\n", "is no mycelium"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", "is no mycelium"),
        (b'HTTP/1.1 404 No\r\nContent-Length: 15\r\n\r\n{"error": "no"}', "is no mycelium"),
        (OURS % (b"200 OK", 2) + b"{}", "has another API, as of another version"),
        (OURS % (b"200 OK", 3) + b"\xff\xfe\xfd", "has another API"),
        (OURS % (b"503 Busy", 4) + b"busy", "the daemon answered 503 Busy"),
    ],
)
def test_whatever_else_answers_is_told_apart(tmp_path: Path, answer: bytes, told: str) -> None:
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with answering(listener, answer), pytest.raises(ApiError, match=told):
            ApiClient(ApiAddress.parse(f"unix:{path}")).status()


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_daemon_that_hangs_is_given_up(tmp_path: Path, family: socket.AddressFamily) -> None:
    is_unix = family is socket.AF_UNIX
    with socket.socket(family) as listener:
        listener.bind(f"{tmp_path}/hung.sock" if is_unix else ("127.0.0.1", 0))
        listener.listen()
        name = listener.getsockname()
        address = ApiAddress("", 0, name) if is_unix else ApiAddress(*name)
        with pytest.raises(ApiError, match="did not answer within"):
            ApiClient(address, timeout_s=0.05).status()


def test_each_method_returns_what_the_node_has(tmp_path: Path) -> None:
    node = FakeNode()
    node.happened = [EventInfo(sequence=number, time=1.5, kind="link-up", node=ADDRESS) for number in (1, 2)]
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        client = ApiClient(address)
        assert (client.admin(), client.peers(), client.status()) == (node.admin(), node.peers(), node.status())
        assert client.metrics() == node.metrics()
        assert (client.routes_selected(), client.routes_fallback()) == (node.routes_selected(), [])
        assert client.events(1) == node.happened[1:]
        client.add_peer("udp://[fe80::1%lo]:7")
        client.remove_peer("udp://[fe80::1%lo]:7")
        with pytest.raises(ApiError, match="is no peer"):
            client.remove_peer("udp://b:1")


def test_a_speed_test_is_told_line_by_line(tmp_path: Path) -> None:
    with served(FakeNode(), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        client = ApiClient(address)
        told = list(client.speed_test(SpeedWish(FAR)))
        assert [one.phase.value for one in told] == ["asking", "sending", "over"]
        with pytest.raises(ApiError, match="is no node that this one knows"):
            next(client.speed_test(SpeedWish("berlin")))
        with pytest.raises(ApiError, match="takes some seconds"):
            next(client.speed_test(SpeedWish(FAR, 99.0)))


def test_a_body_says_that_it_is_json(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    requests: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            request = b""
            while not request.endswith(b"}"):  # closing with a part of it unread would reset the connection
                request += connection.recv(65_536)
            requests.append(request)
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        ApiClient(ApiAddress.parse(f"unix:{path}")).add_peer("udp://a:1")
        thread.join()
    assert b"\r\nContent-Type: application/json\r\n" in requests[0]


def test_a_socket_of_another_user_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mycelium.api.client.UnixConnection.connect", connect)
    with pytest.raises(ApiError, match="the user of the daemon"):
        ApiClient(ApiAddress.parse(f"unix:{tmp_path}/api.sock")).status()


def test_an_answer_beyond_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.api.client.API_RESPONSE_BYTES", 10)
    address = ApiAddress.parse(f"unix:{tmp_path}/api.sock")
    with served(FakeNode(), address), pytest.raises(ApiError, match="longer than 10 bytes"):
        ApiClient(address).status()


def test_a_daemon_that_names_no_server_is_taken_at_its_word(tmp_path: Path) -> None:
    answers = b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/rust.sock")
        listener.listen()
        client = ApiClient(ApiAddress.parse(f"unix:{tmp_path}/rust.sock"))
        with answering(listener, *answers):
            client.add_peer("udp://a:1")
            assert client.peers() == []
