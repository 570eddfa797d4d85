"""A small HTTP and SOCKS5 proxy for tests, as companies have them: it connects to port 443 only.

    python proxy.py PORT [USER:PASSWORD]

The first byte of a connection tells which of the two is spoken.
"""

import asyncio
import base64
import contextlib
import socket
import struct
import sys

ALLOWED_PORT = 443
SOCKS = 5
REFUSED_BY_RULES = 2

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NotConnected(Exception):
    """The answer that a client gets in place of a connection."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


async def serve(port: int, login: str | None) -> None:
    """Serves until it is killed."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                first = await reader.readexactly(1)
                opened = await (open_socks if first[0] == SOCKS else open_http)(first, (reader, writer), login)
                await asyncio.gather(relay(reader, opened[1]), relay(opened[0], writer))
            except NotConnected as refused:
                writer.write(refused.answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, None, port)
    await server.serve_forever()


async def open_http(first: bytes, client: Streams, login: str | None) -> Streams:
    """Answers a CONNECT."""
    head = (first + await client[0].readuntil(b"\r\n\r\n")).decode()
    if login is not None and f"Basic {base64.b64encode(login.encode()).decode()}\r\n" not in head:
        raise NotConnected(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    host, _, port = head.split(" ")[1].rpartition(":")
    if int(port) != ALLOWED_PORT:
        raise NotConnected(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    try:
        opened = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        raise NotConnected(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") from None
    client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    return opened


async def open_socks(first: bytes, client: Streams, login: str | None) -> Streams:
    """Answers a greeting and a request."""
    reader, writer = client
    await reader.readexactly((await reader.readexactly(1))[0])
    writer.write(bytes((SOCKS, 0 if login is None else 2)))
    if login is not None:
        await reader.readexactly(1)
        user, password = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
        if f"{user}:{password}" != login:
            raise NotConnected(b"\x01\x01")
        writer.write(b"\x01\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, await reader.readexactly(size))
    (port,) = struct.unpack(">H", await reader.readexactly(2))
    if port != ALLOWED_PORT:
        raise NotConnected(bytes((SOCKS, REFUSED_BY_RULES, 0, 1)) + bytes(6))
    opened = await asyncio.open_connection(host, port)
    writer.write(bytes((SOCKS, 0, 0, 1)) + bytes(6))
    return opened


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes bytes on in one direction until its end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
