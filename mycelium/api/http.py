"""As much of HTTP/1.1 (RFC 9112) as the API takes: requests with a short head and a body of known length. Pure.

A library for all of it would take a quarter of the daemon's memory. Whatever a client of the API has no reason to send is
refused: several headers of one name, folded lines, bodies in chunks.
"""

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct

from mycelium.errors import HttpError

END_OF_HEAD: Final = b"\r\n\r\n"
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,20}) (/[!-~]*) HTTP/1\.([01])")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*")
_LENGTH: Final = re.compile(r"[0-9]{1,10}")


class Request(Struct, frozen=True):
    """The head of a request; names of headers are in lower case."""

    method: str
    path: str  # as it was sent, with percent signs
    query: dict[str, str]
    headers: dict[str, str]
    is_kept: bool  # the connection is to stay open

    @property
    def length(self) -> int:
        """The length of the body; raises HttpError."""
        if "transfer-encoding" in self.headers:
            raise HttpError(411)
        length = self.headers.get("content-length", "0")
        if _LENGTH.fullmatch(length) is None:
            raise HttpError(400)
        return int(length)


class Response(Struct, frozen=True):
    """An answer, with JSON or nothing in its body."""

    status: int
    body: bytes = b""

    def encode(self, *, server: str, is_kept: bool, is_bodiless: bool) -> bytes:
        """Returns its bytes; `is_bodiless` leaves out the body that the head tells of, as HEAD asks for."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", f"Server: {server}"]
        if self.status != HTTPStatus.NO_CONTENT:
            lines += ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(self.body)}"]
        if not is_kept:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode() + END_OF_HEAD
        return head if is_bodiless else head + self.body


def error(status: int, reason: str = "") -> Response:
    """Returns an answer that says what is wrong."""
    return Response(status, msgspec.json.encode({"error": reason or HTTPStatus(status).phrase}))


def read_head(head: bytes) -> Request:
    """Reads a request up to the empty line, which is included; raises HttpError."""
    first, *rest = head.removesuffix(END_OF_HEAD).lstrip(b"\r\n").split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise HttpError(400)
    headers: dict[str, str] = {}
    for text in rest:
        header = _HEADER.fullmatch(text)
        if header is None or (name := header[1].decode().lower()) in headers:
            raise HttpError(400)
        headers[name] = header[2].decode("latin-1")
    path, _, query = line[2].decode().partition("?")
    wishes = headers.get("connection", "").lower()
    is_kept = wishes != "close" and (line[3] == b"1" or wishes == "keep-alive")
    return Request(line[1].decode(), path, dict(parse_qsl(query, keep_blank_values=True)), headers, is_kept)


def text_of(part: str) -> str:
    """Returns a part of a path without percent signs."""
    return unquote(part)
