"""Requests are read exactly or refused; answers are what clients expect."""

from collections.abc import AsyncGenerator

import h11
import pytest

from mycelium.api.http import Request, Response, error, read_head, text_of
from mycelium.errors import HttpError
from mycelium.limits import API_BODY_BYTES


def read(method: str, target: str, *headers: tuple[str, str]) -> Request:
    return read_head(h11.Request(method=method, target=target, headers=[("Host", "localhost"), *headers]))


def sent(response: Response, *, to: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    """Returns the bytes of an answer to a request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(to)
    connection.next_event()
    return b"".join(
        connection.send(event) or b"" for event in response.events("x/1", is_bodiless=to.startswith(b"HEAD"))
    )


def test_a_request_is_read() -> None:
    request = read("POST", "/a/b%20c?after=3&wait=&x=%26", ("CONTENT-length", "12"), ("X", ""))
    assert (request.method, request.path, text_of(request.path)) == ("POST", "/a/b%20c", "/a/b c")
    assert request.query == {"after": "3", "wait": "", "x": "&"}
    assert request.headers == {"host": "localhost", "content-length": "12", "x": ""}


def test_two_headers_of_one_name_are_refused() -> None:
    with pytest.raises(HttpError, match="two headers origin") as refused:
        read("GET", "/", ("Origin", "a"), ("origin", "b"))
    assert refused.value.status == 400


def test_a_body_that_is_announced_as_too_long_is_refused() -> None:
    assert read("POST", "/", ("Content-Length", str(API_BODY_BYTES)))
    with pytest.raises(HttpError) as refused:
        read("POST", "/", ("Content-Length", str(API_BODY_BYTES + 1)))
    assert refused.value.status == 413


def test_an_answer_tells_length_kind_and_server() -> None:
    head, _, body = sent(Response(200, b"[1]")).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Server: x/1",
        b"Content-Type: application/json; charset=utf-8",
        b"Content-Length: 3",
    ]
    assert body == b"[1]"


def test_an_answer_to_head_tells_of_its_body_only() -> None:
    answer = sent(Response(200, b"[1]"), to=b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 3" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_body_without_a_known_end_is_sent_in_parts() -> None:
    async def parts() -> AsyncGenerator[bytes, None]:
        yield b""

    answer = sent(
        Response(200, content_type="text/event-stream", headers=(("Cache-Control", "no-store"),), parts=parts())
    )
    assert b"Cache-Control: no-store\r\n" in answer
    assert b"Content-Type: text/event-stream\r\n" in answer
    assert answer.endswith(b"Transfer-Encoding: chunked\r\n\r\n")


def test_nothing_has_no_length() -> None:
    assert b"Content-" not in sent(Response(204))


def test_an_error_says_what_it_was_told_or_the_name_of_its_status() -> None:
    assert error(404).body == b'{"error":"Not Found"}'
    assert error(409, "a peer already").body == b'{"error":"a peer already"}'
