"""TLS between memory buffers: with real servers' and clients' settings, and with what is not TLS."""

import contextlib
import random
import ssl
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.errors import DecodeError, OpeningRefused
from mycelium.transport.streams.tls import RECORD_BYTES, TlsLayer, client_context
from tests.support.examples import examples
from tests.transport.streams.support import StreamEnd, certificate, joined, pump


def client(server_name: str = "", *, alpn: str = "http/1.1", newest: ssl.TLSVersion | None = None) -> TlsLayer:
    context = client_context(alpn)
    if newest is not None:
        context.maximum_version = newest
    return TlsLayer(context, is_server=False, server_name=server_name)


def server() -> TlsLayer:
    return TlsLayer(certificate().context(now=0.0), is_server=True)


@pytest.mark.parametrize("size", [1, RECORD_BYTES, RECORD_BYTES + 1, 200_000])
def test_bytes_cross_as_they_were(size: int) -> None:
    one, other = joined(client(), server())
    data = random.Random(size).randbytes(size)
    one.send(data)
    other.send(data[::-1])
    assert size < 16 or data[:16] not in one.wire
    pump(one, other)
    assert other.received == data
    assert one.received == data[::-1]


@settings(max_examples=examples(20))
@given(st.lists(st.integers(1, 700), max_size=60), st.lists(st.binary(max_size=40_000), max_size=4))
def test_any_cutting_of_the_stream_gives_the_same_bytes(cuts: list[int], messages: list[bytes]) -> None:
    one, other = StreamEnd(client()), StreamEnd(server())
    pump(one, other, iter(cuts))
    for message in messages:
        one.send(message)
    pump(one, other, iter(cuts))
    assert other.received == b"".join(messages)


def test_a_handshake_of_single_bytes_succeeds() -> None:
    one, other = StreamEnd(client()), StreamEnd(server())
    pump(one, other, repeat(1))
    assert one.stream.is_open  # type: ignore[attr-defined]
    assert other.stream.is_open  # type: ignore[attr-defined]


def test_the_servers_name_and_protocol_are_asked_for() -> None:
    hello = client("mesh.example", alpn="h9").take_answers()
    assert b"mesh.example" in hello
    assert b"\x02h9" in hello
    assert hello.startswith(b"\x16\x03\x01")
    assert b"mesh.example" not in client().take_answers()


def test_an_older_version_is_refused_by_both() -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(DecodeError):
        joined(TlsLayer(old, is_server=False), server())


def test_the_end_is_told_by_what_the_peer_says() -> None:
    one, other = joined(client(), server())
    one.send(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        one.stream._tls.unwrap()  # type: ignore[attr-defined]
    pump(one, other)
    assert other.received == b"last words"
    other.wire.clear()
    one.wire += b"\x17\x03\x03\0\0"
    with pytest.raises(EOFError):
        pump(one, other)


def test_a_server_that_speaks_something_else_is_named_to_the_operator() -> None:
    with pytest.raises(OpeningRefused, match="it does not speak TLS"):
        client().receive(b"SSH-2.0-OpenSSH_9.2p1\r\n")


def test_a_server_that_refuses_is_named_to_the_operator() -> None:
    with pytest.raises(OpeningRefused, match=r"the TLS handshake failed: .*handshake failure"):
        client().receive(b"\x15\x03\x03\0\x02\x02\x28")


@settings(max_examples=examples(60))
@given(st.binary(min_size=1, max_size=2_000), st.integers(0, 1_500))
def test_any_bytes_open_nothing_and_raise_nothing_else(rubbish: bytes, start: int) -> None:
    hello = bytearray(client().take_answers())
    hello[start : start + len(rubbish)] = rubbish
    layer = server()
    with contextlib.suppress(DecodeError):
        assert layer.receive(hello) == b""
    assert not layer.is_open


def test_a_changed_byte_ends_an_open_stream() -> None:
    one, other = joined(client(), server())
    one.send(b"datagrams")
    one.wire[-1] ^= 1
    with pytest.raises(DecodeError, match="TLS: "):
        pump(one, other)
    assert not other.received


def test_many_strangers_leave_nothing_behind() -> None:
    """A session that could be resumed would be kept for hours; tickets are kept by the client, if it takes them."""
    for options in (0, ssl.OP_NO_TICKET):
        context = client_context()
        context.options |= options
        joined(TlsLayer(context, is_server=False), server())
    with pytest.raises(DecodeError, match="TLS: unsupported protocol"):
        joined(client(newest=ssl.TLSVersion.TLSv1_2), server())
    assert certificate().context(now=0.0).session_stats()["number"] == 0
