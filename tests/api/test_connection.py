"""Connections to the API: several requests on one, each bounded, and whoever misbehaves is let go."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycelium.api import connection
from mycelium.limits import API_BODY_BYTES, API_HEAD_BYTES
from tests.api.support import LOOPBACK, FakeNode, serving, unix
from tests.lab.waiting import PATIENCE_S
from tests.support.examples import examples

GET = b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talking(folder: Path, talk: Talk) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(folder)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            await talk(reader, writer)
            writer.close()

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Returns the first line of an answer, and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
    return head.partition(b"\r\n")[0], await reader.readexactly(length)


def test_requests_that_are_sent_at_once_are_answered_one_after_the_other(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"endpoint":"udp://192.0.2.9:1"}'
        head = f"POST /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write(GET + b"\r\n" + head + body + b"GET /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"
        assert (await answer(reader))[0] == b"HTTP/1.1 204 No Content"
        assert b"192.0.2.9" in (await answer(reader))[1]

    talking(tmp_path, talk)


def test_an_answer_is_handed_to_the_system_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = asyncio.StreamWriter.write

    def watched(writer: asyncio.StreamWriter, data: bytes) -> None:
        written.append(bytes(data))
        write(writer, data)

    monkeypatch.setattr(asyncio.StreamWriter, "write", watched)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET + b"\r\n")
        body = (await answer(reader))[1]
        assert body
        _, answered = written
        assert answered.endswith(b"\r\n\r\n" + body)

    talking(tmp_path, talk)


@pytest.mark.parametrize(
    "request_bytes", [GET + b"Connection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"nonsense\r\n\r\n"]
)
def test_a_connection_ends_with_its_last_answer(tmp_path: Path, request_bytes: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_bytes + GET + b"\r\n")
        await answer(reader)
        assert await reader.read() == b""

    talking(tmp_path, talk)


def test_head_is_answered_without_a_body(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HEAD /api/v1/admin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\n")

    talking(tmp_path, talk)


def with_head_of(length: int) -> bytes:
    return GET + b"x: " + bytes(length - len(GET) - len(b"x: \r\n\r\n")).replace(b"\0", b"x") + b"\r\n\r\n"


def test_a_head_may_be_as_long_as_its_bound(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(with_head_of(API_HEAD_BYTES))
        for _ in range(3):
            assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"

    talking(tmp_path, talk)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (with_head_of(API_HEAD_BYTES + 1), b"431"),
        (GET + b"x: " + b"x" * 3 * API_HEAD_BYTES + b"\r\n\r\n", b"431"),
        (POST + f"Content-Length: {API_BODY_BYTES + 1}\r\n\r\n".encode(), b"413"),
        (
            POST + f"Transfer-Encoding: chunked\r\n\r\n{API_BODY_BYTES + 1:x}\r\n".encode() + bytes(API_BODY_BYTES + 1),
            b"413",
        ),
    ],
    ids=["head", "much longer head", "body", "chunks"],
)
def test_what_is_too_long_is_refused(tmp_path: Path, request_bytes: bytes, status: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_bytes)
        assert (await answer(reader))[0].split()[1] == status
        assert await reader.read() == b""

    talking(tmp_path, talk)


def test_a_body_in_chunks_is_taken(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"endpoint":"udp://192.0.2.9:1"}'
        writer.write(
            POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) + GET + b"\r\n"
        )
        assert (await answer(reader))[0] == b"HTTP/1.1 204 No Content"
        assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"

    talking(tmp_path, talk)


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "told"),
    [
        (CHUNKED + b"zz\r\n", b"illegal chunk header"),
        (CHUNKED + b"2\r\n{}  0\r\n", b"malformed chunk footer"),
        (POST + b"Content-Length: 9\r\n\r\n{}", b"peer closed connection without sending complete message body"),
        (b"\0\r\n\r\n", b"illegal request line"),
    ],
    ids=["header", "footer", "short", "line"],
)
def test_a_malformed_request_is_the_callers_fault_and_logs_nothing(
    tmp_path: Path, request_bytes: bytes, told: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request_bytes)
        writer.write_eof()
        line, body = await answer(reader)
        assert (line.split()[1], told in body, b"bytearray" in body) == (b"400", True, False), body

    talking(tmp_path, talk)
    assert caplog.messages == []


def test_a_caller_that_breaks_off_its_request_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with serving(FakeNode(), LOOPBACK) as server, asyncio.timeout(PATIENCE_S):
            sock = socket.create_connection((server.address.host, server.address.port))
            sock.sendall(POST.replace(b"localhost", b"127.0.0.1") + b"Content-Length: 9\r\n\r\n{")
            while not [one for one in server.connections if one._http.their_state is h11.SEND_BODY]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()  # by a reset
            while server.connections:  # noqa: ASYNC110 - what the server does in its own time
                await asyncio.sleep(0.01)

    asyncio.run(run())
    assert caplog.messages == []


def test_a_caller_that_waits_for_leave_to_send_its_body_is_given_it(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"endpoint":"udp://192.0.2.9:1"}'
        writer.write(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert await answer(reader) == (b"HTTP/1.1 100 ", b"")
        writer.write(body)
        assert (await answer(reader))[0] == b"HTTP/1.1 204 No Content"

    talking(tmp_path, talk)


@given(st.lists(st.binary(max_size=80), max_size=4))
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_bytes_are_answered_or_refused(tmp_path: Path, parts: list[bytes]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\r\n".join([GET.rstrip(), *parts]))
        writer.write_eof()
        answered = await reader.read()
        assert answered == b"" or answered.startswith(b"HTTP/1.1 ")

    talking(tmp_path, talk)


@pytest.mark.parametrize("begun", [b"", GET])
def test_whoever_asks_nothing_is_let_go(tmp_path: Path, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        assert await reader.read() == b""

    talking(tmp_path, talk)


def test_a_caller_that_goes_while_it_is_answered_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        node = FakeNode()
        async with serving(node, unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            _, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(b"GET /api/v1/admin/events?wait=0.1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await node.watched.wait()
            writer.transport.abort()
            await asyncio.gather(*(one.serving for one in server.connections))
            assert not server.connections

    asyncio.run(run())
    assert caplog.messages == []


def test_who_reads_no_answer_counts_until_it_has_gone_and_holds_up_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            async with serving(FakeNode(), unix(tmp_path)) as server:
                reader, writer = await asyncio.open_unix_connection(server.address.path, limit=1)
                writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 32)
                await reader.readexactly(1)
                await asyncio.gather(*(one.serving for one in server.connections))
                assert len(server.connections) == 1
            assert not server.connections
            writer.close()

    asyncio.run(run())
