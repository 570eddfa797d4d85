"""What the API takes and gives of HTTP; `h11` reads and writes the bytes (RFC 9112)."""

from collections.abc import AsyncGenerator, Iterable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

import h11
import msgspec
from msgspec import Struct

from mycelium.errors import HttpError
from mycelium.limits import API_BODY_BYTES

JSON: Final = "application/json; charset=utf-8"


class Request(Struct, frozen=True):
    """The head of a request; names of headers are in lower case."""

    method: str
    path: str  # as it was sent, with percent signs
    query: dict[str, str]
    headers: dict[str, str]


class Response(Struct, frozen=True):
    """An answer. `parts` is the rest of a body whose end nobody knows yet."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()  # besides those that every answer has
    parts: AsyncGenerator[bytes, None] | None = None

    def events(self, server: str, *, is_bodiless: bool) -> list[h11.Event]:
        """Returns what `h11` is to send before `parts`; `is_bodiless` leaves out the body that the head tells of, for HEAD."""
        headers = [("Server", server), *self.headers]
        if self.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Type", self.content_type))
            headers += [] if self.parts else [("Content-Length", str(len(self.body)))]
        head = h11.Response(status_code=self.status, headers=headers, reason=HTTPStatus(self.status).phrase)
        end = [] if self.parts and not is_bodiless else [h11.EndOfMessage()]
        return [head, h11.Data(data=b"" if is_bodiless else self.body), *end]


def error(status: int, reason: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Returns an answer that says what is wrong."""
    return Response(status, msgspec.json.encode({"error": reason or HTTPStatus(status).phrase}), headers=headers)


def answer_to(refused: HttpError) -> Response:
    """Returns the answer to a request that is refused."""
    return error(refused.status, str(refused), refused.headers)


def not_allowed(methods: Iterable[str], reason: str = "") -> HttpError:
    """Returns the refusal of a method where others are allowed, which it names (RFC 9110, section 15.5.6)."""
    allowed = set(methods)
    allowed |= {"HEAD"} if "GET" in allowed else set()
    return HttpError(405, reason, (("Allow", ", ".join(sorted(allowed))),))


def read_head(head: h11.Request) -> Request:
    """Returns a request; raises HttpError for one whose body is announced as too long, or that leaves room for two readings."""
    headers: dict[str, str] = {}
    for name, value in head.headers:
        if name.decode() in headers:
            raise HttpError(400, f"two headers {name.decode()}")
        headers[name.decode()] = value.decode("latin-1")
    if int(headers.get("content-length", "0")) > API_BODY_BYTES:
        raise HttpError(413)
    path, _, query = head.target.decode().partition("?")
    return Request(head.method.decode(), path, dict(parse_qsl(query, keep_blank_values=True)), headers)


def text_of(part: str) -> str:
    """Returns a part of a path without percent signs."""
    return unquote(part)
