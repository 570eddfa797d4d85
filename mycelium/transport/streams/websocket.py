"""WebSocket (RFC 6455): the stream in binary messages, whose boundaries mean nothing.

No extension is agreed on, so nothing that a stranger sends is decompressed.
"""

import logging
from http import HTTPStatus
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol
from websockets.uri import WebSocketURI

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.limits import WEBSOCKET_FRAME_BYTES
from mycelium.transport.base import Buffer
from mycelium.transport.streams.layer import printable

_SILENT: Final = logging.Logger("websockets", logging.CRITICAL + 1)  # strangers must not write into the log
_SIZES: Final = None, WEBSOCKET_FRAME_BYTES  # of a message, of a frame


class WebSocketClient:
    """The end that asks for the upgrade: of `path` at a server called `host`, a name or an address."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._client = ClientProtocol(WebSocketURI(True, host, port, path or "/", ""), max_size=_SIZES, logger=_SILENT)
        self._client.send_request(self._client.connect())

    @property
    def is_open(self) -> bool:
        return self._client.state is OPEN

    def receive(self, data: Buffer) -> Buffer:
        events = _events(self._client, data)
        failure = self._client.handshake_exc
        if isinstance(failure, InvalidStatus):
            status, phrase = failure.response.status_code, failure.response.reason_phrase
            raise OpeningRefused(f"it has no WebSocket at this path: {status} {printable(phrase)}")
        if failure is not None:
            raise OpeningRefused("it does not speak WebSocket")
        return _payload(self._client, events)

    def send(self, data: Buffer) -> bytes:
        self._client.send_binary(data)
        return self.take_answers()

    def take_answers(self) -> bytes:
        return b"".join(self._client.data_to_send())


class WebSocketServer:
    """The end that grants the upgrade, whatever the path; any other request gets an ordinary 404 and the end."""

    def __init__(self) -> None:
        self._server = ServerProtocol(max_size=_SIZES, logger=_SILENT)
        self._page = b""

    @property
    def is_open(self) -> bool:
        return self._server.state is OPEN

    def receive(self, data: Buffer) -> Buffer:
        events = _events(self._server, data)
        if events and isinstance(events[0], Request):
            response = self._server.accept(events[0])
            if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                self._server.send_response(response)
        if self._server.handshake_exc is not None:
            self._page = self._server.reject(HTTPStatus.NOT_FOUND, "404 page not found\n").serialize()
            raise EOFError
        return _payload(self._server, events)

    def send(self, data: Buffer) -> bytes:
        self._server.send_binary(data)
        return self.take_answers()

    def take_answers(self) -> bytes:
        return self._page or b"".join(self._server.data_to_send())


def _events(protocol: ClientProtocol | ServerProtocol, data: Buffer) -> list[Event]:
    protocol.receive_data(data)  # type: ignore[arg-type]  # which appends them to a bytearray
    return protocol.events_received()


def _payload(protocol: ClientProtocol | ServerProtocol, events: list[Event]) -> Buffer:
    """Returns the bytes of the frames among events."""
    pieces: list[bytes | bytearray | memoryview] = []
    for event in events:
        if isinstance(event, Frame):
            if event.opcode is Opcode.TEXT:
                raise DecodeError("a WebSocket message is text")
            if event.opcode is Opcode.CLOSE:
                raise EOFError
            if event.opcode in (Opcode.BINARY, Opcode.CONT):
                pieces.append(event.data)
    if protocol.parser_exc is not None:
        raise DecodeError(f"WebSocket: {protocol.parser_exc}")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
