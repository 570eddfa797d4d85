"""Requests are read exactly or refused, whatever the bytes; answers are what clients expect."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.api.http import END_OF_HEAD, Request, Response, error, read_head, text_of
from mycelium.errors import HttpError


def read(*lines: str) -> Request:
    return read_head("\r\n".join(lines).encode("latin-1") + END_OF_HEAD)


def test_a_request_is_read() -> None:
    request = read("POST /a/b%20c?after=3&wait=&x=%26 HTTP/1.1", "Host: localhost", "CONTENT-length:  12 ", "X:")
    assert (request.method, request.path, text_of(request.path)) == ("POST", "/a/b%20c", "/a/b c")
    assert request.query == {"after": "3", "wait": "", "x": "&"}
    assert request.headers == {"host": "localhost", "content-length": "12", "x": ""}
    assert request.length == 12


def test_empty_lines_before_a_request_are_skipped() -> None:
    assert read_head(b"\r\nGET / HTTP/1.1\r\n\r\n").path == "/"


@pytest.mark.parametrize(
    ("version", "wish", "is_kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Close", False),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
    ],
)
def test_who_wants_to_go_on_may(version: str, wish: str | None, is_kept: bool) -> None:
    wishes = [] if wish is None else [f"Connection: {wish}"]
    assert read(f"GET / HTTP/{version}", *wishes).is_kept is is_kept


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["GET /"],
        ["GET / HTTP/2.0"],
        ["get / HTTP/1.1"],
        ["GET nothing HTTP/1.1"],
        ["GET http://x/ HTTP/1.1"],
        ["GET /a b HTTP/1.1"],
        ["GET /\xe4 HTTP/1.1"],
        ["GET / HTTP/1.1", "no colon"],
        ["GET / HTTP/1.1", " folded: x"],
        ["GET / HTTP/1.1", "a: x", " folded"],
        ["GET / HTTP/1.1", "Host : x"],
        ["GET / HTTP/1.1", "Host: x\0y"],
        ["GET / HTTP/1.1", "Host: x\ny"],
        ["GET / HTTP/1.1", "Host: a", "host: b"],
        ["GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"],
    ],
)
def test_what_leaves_room_for_two_readings_is_refused(lines: list[str]) -> None:
    with pytest.raises(HttpError) as refused:
        read(*lines)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: -1", 400),
        ("Content-Length: +1", 400),
        ("Content-Length: 1, 1", 400),
        ("Content-Length: 0x1", 400),
        ("Content-Length: 99999999999", 400),
        ("Content-Length: \xb2", 400),
        ("Transfer-Encoding: chunked", 411),
    ],
)
def test_a_body_has_one_length(header: str, status: int) -> None:
    with pytest.raises(HttpError) as refused:
        assert read("POST / HTTP/1.1", header).length
    assert refused.value.status == status


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for head in (data, b"GET / HTTP/1.1\r\n" + data, b"GET /" + data + b" HTTP/1.1"):
        with contextlib.suppress(HttpError):
            assert read_head(head + END_OF_HEAD).length >= 0


def test_an_answer_tells_length_kind_and_server() -> None:
    head, _, body = Response(200, b"[1]").encode(server="x/1", is_kept=True, is_bodiless=False).partition(END_OF_HEAD)
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Server: x/1",
        b"Content-Type: application/json; charset=utf-8",
        b"Content-Length: 3",
    ]
    assert body == b"[1]"


def test_an_answer_to_head_tells_of_its_body_only() -> None:
    answer = Response(200, b"[1]").encode(server="x", is_kept=False, is_bodiless=True)
    assert b"Content-Length: 3" in answer
    assert answer.endswith(b"\r\nConnection: close\r\n\r\n")


def test_nothing_has_no_length() -> None:
    assert b"Content-" not in Response(204).encode(server="x", is_kept=True, is_bodiless=False)


def test_an_error_says_what_it_was_told_or_the_name_of_its_status() -> None:
    assert error(404).body == b'{"error":"Not Found"}'
    assert error(409, "a peer already").body == b'{"error":"a peer already"}'
