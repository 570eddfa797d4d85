"""One connection on a socket pair: what the kernel does not take waits, and leaves in one piece."""

import select
import socket
from collections.abc import Iterator

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import STALL_BYTES, STRANGER_BYTES, TCP_UNSENT_ANSWER_BYTES
from mycelium.transport.framing import framed, split
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.http_connect import HttpConnect
from mycelium.transport.streams.stack import Stack
from tests.transport.streams.support import PING, UPGRADE, accepted, frame

HERE = Endpoint("tcp", "192.0.2.1", 9651)
PIECE = 50_000


@pytest.fixture
def ends() -> Iterator[tuple[StreamConnection, socket.socket]]:
    """A connection with little room in the kernel, and its peer's end."""
    one, other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_608)
    one.setblocking(False)
    yield StreamConnection(one, HERE, None, is_connecting=False, now=0.0), other
    one.close()
    other.close()


def send(connection: StreamConnection, data: bytes, *, is_bulk: bool) -> bool:
    pieces = framed([data], 0xFFFF)
    return connection.send(pieces, sum(map(len, pieces)), is_bulk=is_bulk)


def read_all(connection: StreamConnection, other: socket.socket) -> list[bytes]:
    stream = b""
    other.setblocking(False)
    while connection.wanted_events & select.EPOLLOUT:
        connection.flush()
        try:
            stream += other.recv(1 << 20)
        except BlockingIOError:
            continue
    while True:
        try:
            stream += other.recv(1 << 20)
        except BlockingIOError:
            break
    datagrams, taken = split(memoryview(stream))
    assert taken == len(stream)
    return [bytes(datagram) for datagram in datagrams]


def test_what_was_sent_in_part_is_finished_before_anything_else(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    sent = [bytes([number]) * PIECE for number in range(4)]
    for data in sent:
        assert send(connection, data, is_bulk=True)
    assert send(connection, b"control", is_bulk=False)
    assert connection.wanted_events & select.EPOLLOUT
    assert read_all(connection, other) == [sent[0], b"control", *sent[1:]]
    assert connection.wanted_events == select.EPOLLIN


def test_a_full_queue_refuses_data_and_takes_control(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, _ = ends
    sent = 0
    while send(connection, bytes(PIECE), is_bulk=True):
        sent += 1
    assert sent == STALL_BYTES // (PIECE + 2) + 1  # one is with the kernel, in part
    assert send(connection, bytes(PIECE), is_bulk=False)


def test_while_connecting_everything_waits(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    connection.is_connecting = True
    assert connection.wanted_events == select.EPOLLOUT
    assert send(connection, b"first", is_bulk=False)
    connection.is_connecting = False
    assert read_all(connection, other) == [b"first"]


def test_datagrams_come_out_whole_however_they_were_cut(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    connection.is_trusted = True
    scratch = memoryview(bytearray(1 << 18))
    stream = b"".join(framed([b"one"], 100) + framed([bytes(20_000)], 0xFFFF) + framed([b"three"], 100))
    received: list[bytes] = []
    for start in range(0, len(stream), 7_001):
        other.sendall(stream[start : start + 7_001])
        received += map(bytes, connection.receive(scratch)[0])
    assert received == [b"one", bytes(20_000), b"three"]


def test_a_stranger_is_suspended_after_a_handshakes_worth(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    other.sendall(b"\xff" * 2 * STRANGER_BYTES)
    scratch = memoryview(bytearray(1 << 18))
    assert connection.receive(scratch) == ([], STRANGER_BYTES)
    assert connection.is_suspended
    assert not connection.wanted_events & select.EPOLLIN
    connection.is_trusted = True
    assert connection.wanted_events & select.EPOLLIN
    assert connection.receive(scratch)[1] == STRANGER_BYTES


def test_an_end_is_told(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    scratch = memoryview(bytearray(1 << 18))
    assert connection.receive(scratch) == ([], 0)
    other.close()
    with pytest.raises(EOFError):
        connection.receive(scratch)
    with pytest.raises(OSError, match="Broken pipe"):
        send(connection, b"x", is_bulk=False)


# -- layers ------------------------------------------------------------------------------------------------------------


def test_answers_of_a_layer_leave_before_what_waits(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    connection.stack = Stack([HttpConnect("h:1")])
    assert send(connection, b"first", is_bulk=False)
    assert connection.is_opening
    connection.flush()
    assert other.recv(1 << 16).startswith(b"CONNECT h:1 ")
    assert connection.wanted_events == select.EPOLLIN, "the datagram waits for the proxy"
    other.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.receive(memoryview(bytearray(1 << 18)))
    assert not connection.is_opening
    assert read_all(connection, other) == [b"first"]


def test_who_asks_without_reading_the_answers_is_closed(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    scratch = memoryview(bytearray(1 << 18))
    connection.stack, connection.is_trusted = accepted(), True
    other.sendall(UPGRADE + b"\r\n")
    connection.receive(scratch)
    with pytest.raises(DecodeError, match="asks without reading"):  # noqa: PT012 (it takes a while)
        for _ in range(1_000):
            other.sendall(frame(PING, bytes(125)) * 100)
            connection.receive(scratch)
            connection.flush()
    assert len(connection._rest or b"") < 2 * TCP_UNSENT_ANSWER_BYTES


def test_a_last_answer_is_sent_before_the_end(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    connection.stack = accepted()
    other.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(EOFError):
        connection.receive(memoryview(bytearray(1 << 18)))
    assert other.recv(1 << 16).startswith(b"HTTP/1.1 404 ")


def test_bytes_of_a_recognised_plain_stream_pass_as_they_are(ends: tuple[StreamConnection, socket.socket]) -> None:
    connection, other = ends
    connection.stack = accepted()
    other.sendall(b"\0\5\x10abcd\0\2\x10")
    [datagram] = connection.receive(memoryview(bytearray(1 << 18)))[0]
    assert bytes(datagram) == b"\x10abcd"
    assert connection.stack is None
    other.sendall(b"z")
    [datagram] = connection.receive(memoryview(bytearray(1 << 18)))[0]
    assert bytes(datagram) == b"\x10z"
