"""The layers of one connection: built for a peer that is dialled, recognised by their first bytes where one dials us."""

import ssl
from collections.abc import Callable, Iterable
from typing import Final

from mycelium.errors import DecodeError
from mycelium.transport.base import Buffer
from mycelium.transport.framing import PREFIX_BYTES
from mycelium.transport.streams.layer import StreamLayer
from mycelium.transport.streams.tls import TlsLayer
from mycelium.wire.datagram import TYPES

_RECOGNISED_BY: Final = (
    PREFIX_BYTES + 1
)  # bytes: the length of a datagram, and its type, which begins none of the others
_TLS: Final = b"\x16\x03"  # a record of the handshake, major version 3: RFC 8446 section 5.1
_HTTP: Final = (
    b"GET",
    b"HEA",
    b"POS",
    b"PUT",
    b"OPT",
    b"DEL",
)  # beginnings of a request, of which only GET may upgrade


class Stack:
    """Layers from the socket up; bytes from above can be sent once all are open."""

    def __init__(self, layers: Iterable[StreamLayer]) -> None:
        self._layers = list(layers)

    @property
    def is_open(self) -> bool:
        """Tells whether bytes can be sent."""
        return all(layer.is_open for layer in self._layers)

    @property
    def is_bare(self) -> bool:
        """Tells whether bytes pass as they are."""
        return not self._layers

    def receive(self, data: Buffer) -> Buffer:
        """Passes received bytes up, and returns what comes out; raises what `StreamLayer.receive` does."""
        for layer in self._layers:
            if not data:
                break
            data = layer.receive(data)
        return data

    def send(self, data: Buffer) -> Buffer:
        """Passes bytes down, and returns what is to be sent."""
        return self._down(data, len(self._layers))

    def take_answers(self) -> bytes:
        """Returns what the layers have to send by themselves: each once those below it are open."""
        answers = b""
        for depth, layer in enumerate(self._layers):
            answer = layer.take_answers()
            if answer:
                answers += self._down(answer, depth)
            if not layer.is_open:
                break
        return answers

    def _down(self, data: Buffer, depth: int) -> Buffer:
        for layer in reversed(self._layers[:depth]):
            data = layer.send(data)
        return data


class AcceptedStack(Stack):
    """The layers of an accepted connection; `tls_context` is called where it begins with TLS."""

    def __init__(self, tls_context: Callable[[], ssl.SSLContext]) -> None:
        super().__init__(())
        self.scheme = ""  # of the peer's URL, once it is known
        self._tls_context = tls_context
        self._begin = b""

    @property
    def is_open(self) -> bool:
        return bool(self.scheme) and super().is_open

    @property
    def is_bare(self) -> bool:
        return bool(self.scheme) and super().is_bare

    def receive(self, data: Buffer) -> Buffer:
        data = super().receive(data)
        while data and not self.scheme:
            self._begin += data
            if len(self._begin) < _RECOGNISED_BY:
                return b""
            data, self._begin = self._begin, b""
            layer = self._recognised(data)
            if layer is not None:
                self._layers.append(layer)
                data = layer.receive(data)
        return data

    def _recognised(self, data: bytes) -> StreamLayer | None:
        """Returns the layer that takes these bytes, None for datagrams, and settles the scheme where nothing can follow."""
        if data.startswith(_TLS) and not self._layers:
            return TlsLayer(self._tls_context(), is_server=True)
        if data.startswith(_HTTP):
            from mycelium.transport.streams.websocket import WebSocketServer  # here, because it takes 50 ms

            self.scheme = "wss"
            return WebSocketServer()
        if data.startswith(b"\0\0") or data[PREFIX_BYTES] not in TYPES:
            raise DecodeError("neither TLS, nor HTTP, nor a datagram")
        self.scheme = "tls" if self._layers else "tcp"
        return None
