"""SSDP: only a device that describes itself on the router's own address is asked any further."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.packet.ssdp import SEARCH, ssdp_location


def answer(location: str, *, status: str = "HTTP/1.1 200 OK", name: str = "Location") -> bytes:
    return f"{status}\r\nCACHE-CONTROL: max-age=120\r\n{name}: {location}\r\nST: upnp:rootdevice\r\n\r\n".encode()


def test_a_search_is_a_header_of_http() -> None:
    assert SEARCH.startswith(b"M-SEARCH * HTTP/1.1\r\n")
    assert SEARCH.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("url", ["http://10.0.1.1:5000/rootDesc.xml", "http://10.0.1.1/igd.xml"])
def test_an_answer_tells_where_the_device_describes_itself(url: str) -> None:
    assert ssdp_location(answer(url), "10.0.1.1") == url
    assert ssdp_location(answer(url, name="LOCATION "), "10.0.1.1") == url


@pytest.mark.parametrize(
    "data",
    [
        answer("http://10.0.1.9:5000/x"),
        answer("http://10.0.1.1@evil.example/x"),
        answer("https://10.0.1.1/x"),
        answer("file:///etc/passwd"),
        answer("http://10.0.1.1:99999/x"),
        answer("http://10.0.1.1/x y"),
        answer("http://10.0.1.1/" + 500 * "x"),
        answer("http://[10.0.1.1/x"),
        answer("http://10.0.1.1/x", status="NOTIFY * HTTP/1.1"),
        answer("http://10.0.1.1/x", name="USN"),
        b"",
    ],
)
def test_any_other_answer_is_none(data: bytes) -> None:
    with pytest.raises(DecodeError):
        ssdp_location(data, "10.0.1.1")


@given(st.binary(max_size=100) | st.text().map(answer))
def test_any_bytes_are_an_answer_or_a_decode_error(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert "10.0.1.1" in ssdp_location(data, "10.0.1.1")
