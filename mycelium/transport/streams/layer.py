"""The interface of every protocol that the stream of a connection passes: TLS, WebSocket, the opening of a proxy."""

from typing import Final, Protocol

from mycelium.transport.base import Buffer

SHOWN_LETTERS: Final = 80


class StreamLayer(Protocol):
    """One protocol between the bytes of a connection and those of the layer above, without I/O.

    An exception of `receive` ends the stream: EOFError where the peer closes it, DecodeError where the bytes are not those of
    this protocol, OpeningRefused where the other side will not open it. `take_answers` may then hold a last answer.
    """

    @property
    def is_open(self) -> bool:
        """Tells whether bytes can be sent; until then the layer above has not begun."""

    def receive(self, data: Buffer) -> Buffer:
        """Takes bytes from below, at least one; returns those for the layer above."""

    def send(self, data: Buffer) -> Buffer:
        """Returns the bytes for the layer below that carry these; the layer must be open."""

    def take_answers(self) -> bytes:
        """Returns what the layer has to send by itself."""


def printable(text: str) -> str:
    """Returns what a stranger wrote as it may be shown to the operator."""
    return "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text[:SHOWN_LETTERS])
