"""The kernel hands each datagram to the socket that it is for, over loopback."""

import socket
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from mycelium.transport import udp_steering
from mycelium.transport.udp_socket import SOL_UDP, UDP_SEGMENT, enable_gro, open_beside, open_udp_socket
from mycelium.transport.udp_steering import (
    COARSE,
    HANDSHAKES,
    KEYS_PER_LEAF,
    LINKS,
    REST,
    STRANGERS,
    Program,
    Steering,
    exact,
)
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import COOKIE, FRAME, HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3, HANDSHAKE_PART, RECEIVER_AT

INDEX: Final = 0xF123_4567
IDENTIFIER: Final = b"\x80dentify"


class Port:
    """Three sockets at one port, and what arrives at each."""

    def __init__(self, host: str) -> None:
        self.strangers = open_udp_socket(host, 0, Underlay())
        self.handshakes = open_beside(self.strangers, Underlay())
        self.links = open_beside(self.strangers, Underlay())
        self.sockets = self.strangers, self.handshakes, self.links
        self.time = 0.0
        self.worked = 0.0
        self.steering = Steering(self.links, clock=lambda: self.time, work_clock=lambda: self.worked)
        self._sender = socket.socket(self.links.family, socket.SOCK_DGRAM)

    def place_of(self, datagram: bytes) -> int:
        """Sends a datagram to the port; tells where it arrives."""
        self._sender.sendto(datagram, self.links.getsockname())
        arrived = [taken(udp) for udp in self.sockets]
        assert sorted(arrived) == [[], [], [datagram]]
        return arrived.index([datagram])

    def is_for_links(self, datagram: bytes) -> bool:
        """Tells whether a datagram arrives where those of links do."""
        return self.place_of(datagram) == LINKS

    def close(self) -> None:
        for one in (*self.sockets, self._sender):
            one.close()


def taken(udp: socket.socket) -> list[bytes]:
    try:
        return [udp.recv(2_000)]
    except BlockingIOError:
        return []


@pytest.fixture(params=["127.0.0.1", "::1"])
def port(request: pytest.FixtureRequest) -> Iterator[Port]:
    opened = Port(str(request.param))
    yield opened
    opened.close()


def naming(kind: int, index: int) -> bytes:
    """Returns a datagram that names an index where its kind has it."""
    at = RECEIVER_AT.get(kind, 4)
    return (bytes((kind,)) + bytes(at - 1) + index.to_bytes(4, "big")).ljust(100, b"\0")


def short(identifier: bytes) -> bytes:
    return b"\x45" + identifier + bytes(50)


def long(identifier: bytes) -> bytes:
    return b"\xc0\0\0\0\x01" + bytes((len(identifier),)) + identifier + bytes(50)


def test_nothing_is_expected_at_first(port: Port) -> None:
    assert not any(map(port.is_for_links, (naming(FRAME, INDEX), naming(FRAME, 0), short(bytes(8)), b"")))


@pytest.mark.parametrize("kind", RECEIVER_AT)
def test_a_datagram_is_told_by_the_index_it_names(port: Port, kind: int) -> None:
    port.steering.expect([7, INDEX])
    assert port.is_for_links(naming(kind, INDEX))
    assert not port.is_for_links(naming(kind, INDEX ^ 1))
    assert not port.is_for_links(naming(kind, INDEX)[: RECEIVER_AT[kind] + 3])


def test_every_kind_without_an_index_of_ours_is_a_strangers(port: Port) -> None:
    port.steering.expect([INDEX])
    named = {first for first in range(0x40) if port.is_for_links(naming(first, INDEX))}
    assert named == set(RECEIVER_AT)


def test_handshakes_have_a_socket_of_their_own(port: Port) -> None:
    port.steering.expect([INDEX])
    begun = {first for first in range(0x40) if port.place_of(naming(first, INDEX)) == HANDSHAKES}
    assert begun == {HANDSHAKE_1, HANDSHAKE_3, HANDSHAKE_PART}
    assert port.place_of(naming(HANDSHAKE_2, INDEX ^ 1)) == STRANGERS
    assert port.place_of(naming(FRAME, INDEX ^ 1)) == STRANGERS


@pytest.mark.parametrize("count", [0, 1, 100])
def test_packets_that_begin_connections_of_quic_are_among_handshakes(port: Port, count: int) -> None:
    port.steering.expect_quic([number.to_bytes(4, "big") for number in range(count)])
    assert port.place_of(long(IDENTIFIER)) == HANDSHAKES
    assert port.place_of(short(IDENTIFIER)) == STRANGERS


@pytest.mark.parametrize("packet", [short, long], ids=["short header", "long header"])
def test_a_packet_of_quic_is_told_by_its_connection(port: Port, packet: Callable[[bytes], bytes]) -> None:
    port.steering.expect_quic([IDENTIFIER, b"", b"odd"])
    assert port.is_for_links(packet(IDENTIFIER))
    assert not port.is_for_links(packet(IDENTIFIER[::-1]))
    assert not port.is_for_links(packet(IDENTIFIER)[:4])


@pytest.mark.parametrize("count", [KEYS_PER_LEAF, KEYS_PER_LEAF + 1, 1_000, 3_000])
def test_each_of_many_is_found(port: Port, count: int) -> None:
    indices = [number * (0xFFFF_FFFF // count) for number in range(1, count + 1)]
    port.steering.expect(indices)
    for index in (*indices[:40], *indices[-40:]):
        assert port.is_for_links(naming(FRAME, index))
        assert not port.is_for_links(naming(FRAME, index - 1))


def test_too_many_for_the_kernel_are_told_by_kind(port: Port) -> None:
    port.steering.expect(range(1, 10_000))
    assert port.is_for_links(naming(FRAME, INDEX))
    assert port.is_for_links(naming(COOKIE, INDEX))
    assert port.place_of(naming(HANDSHAKE_1, INDEX)) == HANDSHAKES
    assert port.is_for_links(short(IDENTIFIER))
    assert port.place_of(long(IDENTIFIER)) == HANDSHAKES


def test_what_is_expected_no_longer_is_a_strangers(port: Port) -> None:
    port.steering.expect([INDEX])
    port.steering.expect([])
    assert not port.is_for_links(naming(HANDSHAKE_2, INDEX))


def test_a_batch_for_a_link_arrives_as_one(port: Port) -> None:
    for udp in (port.links, port.strangers):
        if not enable_gro(udp):
            pytest.skip("this kernel has no UDP_GRO")
    port.steering.expect([INDEX])
    segments = naming(FRAME, INDEX) * 10
    with socket.socket(port.links.family, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(SOL_UDP, UDP_SEGMENT, 100)
        sender.sendto(segments, port.links.getsockname())
    assert taken(port.links) == [segments]


def test_costly_replacements_rest(monkeypatch: pytest.MonkeyPatch, port: Port) -> None:
    attached: list[Program] = []

    def attach(udp: socket.socket, program: Program) -> None:
        attached.append(program)
        port.time += 0.5  # in which others had the processor
        port.worked += 0.01

    monkeypatch.setattr(udp_steering, "_attach", attach)
    port.steering.expect([1])
    port.steering.expect([2])
    port.steering.expect([3])
    assert attached == [exact([1], [])]
    assert port.steering.due_at == pytest.approx(0.5 + REST * 0.01)
    port.steering.handle_timeout(now=port.time)
    assert len(attached) == 1
    port.time = port.steering.due_at
    port.steering.handle_timeout(now=port.time)
    assert attached == [exact([1], []), exact([3], [])]
    assert port.steering.due_at == float("inf")


def test_a_kernel_that_takes_short_programs_only_is_given_one(monkeypatch: pytest.MonkeyPatch, port: Port) -> None:
    attached: list[Program] = []

    def attach(udp: socket.socket, program: Program) -> None:
        if len(program) > len(COARSE):
            raise OSError
        attached.append(program)

    monkeypatch.setattr(udp_steering, "_attach", attach)
    port.steering.expect(range(1, 100))
    assert attached == [COARSE]
