"""QUIC in memory: datagrams both ways, loss and reordering, connections that begin and end, and strangers."""

import contextlib
import os
import sys
from collections.abc import Iterator

import pytest
from qh3.quic.connection import QuicConnectionError

from mycelium.limits import (
    QUIC_DATAGRAM,
    QUIC_HALF_OPEN,
    QUIC_UNSENT_DATA_BYTES,
    STRANGER_BYTES,
    TCP_STRANGERS_PER_HOST,
)
from mycelium.transport.backlog import STALL_S
from mycelium.transport.causes import CLOSED
from mycelium.transport.lifetime import CONNECT_S, SWEEP_S, UNUSED_S
from mycelium.transport.quic import causes
from mycelium.transport.quic.connection import SILENT_S
from mycelium.transport.quic.transport import QuicTransport
from tests.transport.quic.support import MemoryNet, at

A, B = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def net() -> Iterator[MemoryNet]:
    made = MemoryNet()
    yield made
    made.close()


def joined(net: MemoryNet) -> tuple[QuicTransport, QuicTransport]:
    """Returns two nodes with a connection that the first has dialled."""
    a, b = net.add(A), net.add(B)
    a.send(at(B), [b"\x10hello"], 1_200)
    assert net.run(lambda: bool(net.received[B]))
    assert net.received[B][0][0] == b"\x10hello"
    b.send(net.received[B][0][1], [b"\x11answer"], 1_200)
    assert net.run(lambda: bool(net.received[A]))
    assert net.received[A][0][0] == b"\x11answer"
    net.received[A].clear()
    there = net.received[B].pop()[1]
    assert (there.scheme, there.host, there.port, there.connection) == ("quic", A, 9651, 1)
    return a, b


def datagrams(count: int, size: int = QUIC_DATAGRAM) -> list[bytes]:
    return [number.to_bytes(4, "big") + bytes(size - 4) for number in range(count)]


# -- datagrams ---------------------------------------------------------------------------------------------------------


def test_the_first_datagram_to_an_endpoint_dials_it_and_the_answer_comes_back(net: MemoryNet) -> None:
    a, _ = joined(net)
    assert a.counters.dialled == 1
    assert at(B)._replace(local=bytes((10, 0, 0, 1)), local_port=9651) in a._by_name


def test_datagrams_of_every_size_arrive_once_those_of_a_handshake_included(net: MemoryNet) -> None:
    a, _ = joined(net)
    sizes = [1, 2, 16, QUIC_DATAGRAM - 1, QUIC_DATAGRAM, QUIC_DATAGRAM + 1, 1_212, 1_232, 1_400]
    for size in sizes:
        a.send(at(B), [b"\x10" * size], size)
    assert net.run(lambda: len(net.received[B]) == len(sizes))
    assert sorted(len(data) for data, _ in net.received[B]) == sizes
    assert not net.run(lambda: len(net.received[B]) > len(sizes), seconds=3)


def test_long_datagrams_go_on_beyond_the_window_of_a_stream(net: MemoryNet) -> None:
    a, _ = joined(net)
    for number in range(60):
        a.send(at(B), [bytes((number,)) * 1_232], 1_232)
        net.run(lambda number=number: len(net.received[B]) > number)  # type: ignore[misc]
    assert [data[0] for data, _ in net.received[B]] == list(range(60))


def test_a_batch_of_a_whole_super_packet_passes_and_both_ways(net: MemoryNet) -> None:
    a, b = joined(net)
    back = next(name for name in b._by_name if name.local)
    expected = datagrams(55)
    a.send(at(B), [b"".join(expected)], QUIC_DATAGRAM)
    b.send(back, expected, QUIC_DATAGRAM)
    assert net.run(lambda: len(net.received[B]) == len(net.received[A]) == 55)
    assert [data for data, _ in net.received[B]] == [data for data, _ in net.received[A]] == expected


def test_loss_and_reordering_cost_datagrams_but_neither_the_connection_nor_handshakes(net: MemoryNet) -> None:
    net.jitter_s = 0.02
    net.lost = lambda packet: net.random.random() < 0.1
    a, b = net.add(A), net.add(B)
    while not net.received[B]:
        a.send(at(B), [b"\x10hello"], 1_200)
        net.run(seconds=0.5)
    net.received[B].clear()
    for data in datagrams(300):
        a.send(at(B), [data], QUIC_DATAGRAM)
        net.run(seconds=0.005)
    a.send(at(B), [b"\x10" * 1_232], 1_232)
    assert net.run(lambda: any(len(data) == 1_232 for data, _ in net.received[B]))
    got = [data for data, _ in net.received[B]]
    assert 200 < len(got) < 301
    assert len(set(got)) == len(got)
    assert a.counters.dialled == b.counters.accepted == 1


# -- full queues -------------------------------------------------------------------------------------------------------


def test_what_waits_is_bounded_data_is_dropped_first_and_senders_are_told(net: MemoryNet) -> None:
    a, _ = joined(net)
    batch = bytes(60 * QUIC_DATAGRAM)
    while not a.is_backed_up:
        a.send(at(B), [batch], QUIC_DATAGRAM, is_bulk=True)
    net.now += STALL_S
    for _ in range(3 * QUIC_UNSENT_DATA_BYTES // len(batch)):
        a.send(at(B), [batch], QUIC_DATAGRAM, is_bulk=True)
    assert a.is_backed_up
    assert a.counters.send_dropped > 10
    [pipe] = a._pipes
    assert pipe.queue.bytes <= QUIC_UNSENT_DATA_BYTES
    dropped = a.counters.send_dropped
    a.send(at(B), [b"\x14control"], 1_200)
    assert a.counters.send_dropped == dropped
    assert net.run(lambda: any(data == b"\x14control" for data, _ in net.received[B]), seconds=0.5)
    assert net.run(lambda: not a.is_backed_up)
    assert net.run(lambda: not pipe.queue)


def test_a_moment_without_progress_loses_nothing(net: MemoryNet) -> None:
    a, _ = joined(net)
    batch = bytes(60 * QUIC_DATAGRAM)
    for _ in range(3 * QUIC_UNSENT_DATA_BYTES // len(batch)):
        a.send(at(B), [batch], QUIC_DATAGRAM, is_bulk=True)
    assert not a.counters.send_dropped
    assert net.run(lambda: not a._backlog.unsent_bytes)


def test_the_descriptor_tells_when_senders_need_not_wait_any_more(net: MemoryNet) -> None:
    a, _ = joined(net)
    for _ in range(20):
        a.send(at(B), [bytes(60 * QUIC_DATAGRAM)], QUIC_DATAGRAM, is_bulk=True)
    assert a.is_backed_up
    with pytest.raises(BlockingIOError):
        os.eventfd_read(a.fileno())
    told = []

    def is_told() -> bool:
        try:
            told.append(os.eventfd_read(a.fileno()))
        except BlockingIOError:
            return False
        return True

    assert net.run(is_told)
    assert not a.is_backed_up


def test_datagrams_tell_for_how_long_they_have_waited_in_the_socket_and_here(net: MemoryNet) -> None:
    a, b = joined(net)
    net.carriers[B].waited = 0.25
    a.send(at(B), datagrams(1), QUIC_DATAGRAM)
    assert net.run(lambda: bool(net.received[B]))
    assert b.waited_s() == 0.25
    net.now += 0.5
    assert b.waited_s() == 0.75


# -- connections end ---------------------------------------------------------------------------------------------------


def test_without_the_library_the_cause_is_told(net: MemoryNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mycelium.transport.quic.engine", None)
    a, b = net.add(A), net.add(B)
    a.send(at(B), [b"\x10hello"], 1_200)
    assert a.unreachable == {at(B): causes.NO_LIBRARY}
    b.take(memoryview(bytes((0xC0,)) * 1_200), 1_200, at(A)._replace(scheme="udp"), 0.0)
    assert b.counters.unknown_dropped == 1


def test_nobody_there_is_told_in_time(net: MemoryNet) -> None:
    a = net.add(A)
    net.add(B).close()
    a.send(at(B), [b"\x10hello"], 1_200)
    begin = net.now
    net.in_use[A] = set
    assert net.run(lambda: bool(a.unreachable))
    assert a.unreachable == {at(B): causes.NOT_OPENED}
    assert net.now - begin < CONNECT_S + 2 * SWEEP_S
    assert a.counters.dial_failed == 1
    a.send(at(B), [b"\x10hello"], 1_200)
    assert a.counters.dialled == 2


def test_a_peer_that_closes_is_told_at_once(net: MemoryNet) -> None:
    a, b = joined(net)
    b.close()
    assert net.run(lambda: at(B) in a.unreachable, seconds=0.1)
    assert a.unreachable[at(B)] == CLOSED
    assert not a._pipes
    assert not a._by_name
    assert not a._by_identifier


def test_a_restarted_peer_is_dialled_anew_once_it_does_not_answer(net: MemoryNet) -> None:
    a, _ = joined(net)
    net.add(B)  # which knows nothing of the connection
    begin = net.now
    while at(B) not in a.unreachable:
        a.send(at(B), [b"\x14probe"], 1_200)
        net.run(seconds=0.2)
        assert net.now - begin < 2 * SILENT_S + 1
    assert a.unreachable[at(B)] == causes.SILENT
    a.send(at(B), [b"\x10hello"], 1_200)
    assert net.run(lambda: bool(net.received[B]), seconds=1)


def test_a_connection_without_a_path_is_closed_at_both_ends(net: MemoryNet) -> None:
    a, b = joined(net)
    net.in_use[A] = set
    assert net.run(lambda: not a._pipes and not b._pipes, seconds=UNUSED_S + 3 * SWEEP_S)
    assert a.counters.unused == 1
    assert b.counters.ended == 1


def test_what_the_system_says_about_a_way_is_told(net: MemoryNet) -> None:
    a, _ = joined(net)
    carrier = net.carriers[A]
    [pipe] = a._pipes
    carrier.unreachable[pipe.below] = "this host has no route to it"
    a.send(at(B), [b"\x14x"], 1_200)
    assert a.unreachable[at(B)] == "this host has no route to it"
    assert not carrier.unreachable
    assert list(a._pipes) == [pipe]


# -- strangers ---------------------------------------------------------------------------------------------------------


def initial(net: MemoryNet, host: str) -> bytes:
    """Returns the first packet of a new client."""
    client = net.add(host)
    client.send(at(B), [b"\x10x"], 1_200)
    return net.carriers[host].sent[0]


def test_a_flood_of_first_packets_from_forged_addresses_costs_no_memory_and_others_still_get_in(net: MemoryNet) -> None:
    b = net.add(B)
    packet = initial(net, "10.9.9.9")
    carrier = net.carriers[B]
    assert carrier.take_quic is not None
    for number in range(3_000):
        forged = packet[:6] + os.urandom(8) + packet[14:]
        source = at(B)._replace(scheme="udp", host=f"10.8.{number >> 8}.{number & 255}", local=bytes((10, 0, 0, 2)))
        net.carriers.setdefault(source.host, net.carriers["10.9.9.9"])
        carrier.take_quic(memoryview(forged), len(forged), source)
    assert len(b._pipes) <= QUIC_HALF_OPEN
    assert b.counters.retried > 0
    assert len(b._by_identifier) <= 4 * QUIC_HALF_OPEN
    a = net.add(A)
    a.send(at(B), [b"\x10honest"], 1_200)
    assert net.run(lambda: any(data == b"\x10honest" for data, _ in net.received[B]), seconds=3)
    assert net.run(lambda: not b._unproved, seconds=2 * CONNECT_S)


def test_one_host_has_a_bounded_number_of_connections_that_nobody_uses(net: MemoryNet) -> None:
    b = net.add(B)
    net.in_use[B] = set
    for _ in range(2 * TCP_STRANGERS_PER_HOST):
        net.add(A).send(at(B), [b"\x10x"], 1_200)
        net.run(seconds=0.2)
    assert len(b._pipes) <= TCP_STRANGERS_PER_HOST
    assert b.counters.refused > 0
    assert net.run(lambda: not b._pipes, seconds=UNUSED_S + 5)
    assert len(b._strangers) == 0


def test_a_stranger_that_says_too_much_is_closed(net: MemoryNet) -> None:
    a, b = joined(net)
    net.in_use[B] = set
    a.send(at(B), datagrams(2 * STRANGER_BYTES // QUIC_DATAGRAM), QUIC_DATAGRAM)
    assert net.run(lambda: not b._pipes, seconds=0.2)


def test_a_handshake_that_is_never_finished_is_given_up_and_others_get_in(net: MemoryNet) -> None:
    b = net.add(B)
    net.add(A)
    first = initial(net, A)
    net.lost = lambda packet: packet in net.carriers[A].sent and packet != first  # whatever follows the first packet
    assert net.run(lambda: len(b._pipes) == 1, seconds=1)
    assert net.run(lambda: not b._pipes, seconds=2 * CONNECT_S)
    net.lost = lambda packet: False
    joined(net)


@pytest.mark.parametrize(
    "opening", [b"\xff\xff" + bytes(100), b"\0\0" * 50, b"\x05\x00" + bytes(1_000)], ids=["long", "empty", "part"]
)
def test_a_flood_of_streams_costs_its_sender_the_connection_or_nothing(net: MemoryNet, opening: bytes) -> None:
    a, b = joined(net)
    [pipe] = a._pipes
    with contextlib.suppress(ValueError, QuicConnectionError):  # all streams that B grants are open, or B has closed
        for _ in range(300):
            stream = pipe._quic.get_next_available_stream_id(is_unidirectional=True)
            pipe._quic.send_stream_data(stream, opening)
            a.send(at(B), [b"\x14more"], 1_200)
            net.run(seconds=0.01)
    assert len(b._pipes) <= 1
    assert sum(len(data) for data, _ in net.received[B]) < 300 * 2 * len(opening)
    assert all(len(one._partial) <= 2 * STRANGER_BYTES for one in b._pipes)
    c = net.add("10.0.0.3")
    c.send(at(B), [b"\x10honest"], 1_200)
    assert net.run(lambda: any(data == b"\x10honest" for data, _ in net.received[B]), seconds=3)


def test_junk_and_truncated_packets_are_dropped_and_counted(net: MemoryNet) -> None:
    a, b = joined(net)
    take = net.carriers[B].take_quic
    assert take is not None
    source = at(B)._replace(scheme="udp", host="10.7.7.7", local=bytes((10, 0, 0, 2)))
    real = net.carriers[A].sent
    net.carriers[source.host] = net.carriers[A]
    for packet in [
        b"\x40",
        b"\xc0",
        b"\xc0\0\0\0\1",
        b"\xc0\0\0\0\1\xff",
        b"\x40" * 1_200,
        *map(os.urandom, range(1, 1_300)),
    ]:
        junk = bytes((packet[0] | 0x40,)) + packet[1:]
        take(memoryview(junk), len(junk), source)
    for packet in real:
        for end in range(1, len(packet), 37):
            take(memoryview(packet[:end]), end, source)
            take(memoryview(packet[:end]), end, source._replace(host=A))
    assert b.counters.unknown_dropped > 1_000
    assert b.counters.moved_dropped > 0
    net.received[B].clear()
    a.send(at(B), [b"\x14alive"], 1_200)
    assert net.run(lambda: bool(net.received[B]), seconds=1)
    assert net.run(lambda: len(b._pipes) == 1, seconds=2 * CONNECT_S)


def test_another_version_is_told_which_one_is_spoken(net: MemoryNet) -> None:
    b = net.add(B)
    take = net.carriers[B].take_quic
    assert take is not None
    net.add(A)
    packet = b"\xc0\x1a\x2a\x3a\x4a\x08destined\x06source" + bytes(1_200)
    take(memoryview(packet), len(packet), at(A)._replace(scheme="udp"))
    [answer] = net.carriers[B].sent
    assert answer[0] & 0x80
    assert answer[1:] == b"\0\0\0\0\x06source\x08destined\0\0\0\1"
    assert b.counters.versions_answered == 1
    assert not b._pipes


def test_a_network_that_was_away_is_dialled_again(net: MemoryNet) -> None:
    a, b = joined(net)
    net.lost = lambda packet: True
    for _ in range(100):
        a.send(at(B), [b"\x10" * 1_232], 1_232)
        net.run(seconds=0.2)
    net.lost = lambda packet: False
    net.received[B].clear()
    assert a.counters.dial_failed > 1
    begin = net.now
    while not net.received[B]:
        a.send(at(B), [b"\x10" * 1_232], 1_232)
        net.run(seconds=0.2)
        assert net.now - begin < CONNECT_S
    assert b.counters.accepted > 1


def test_the_kernel_is_told_of_connections_that_are_not_strangers(net: MemoryNet) -> None:
    """Those that this node has dialled, and accepted ones once they are a path's."""
    a, b = joined(net)
    [dialled], [accepted] = a._pipes, b._pipes
    assert net.steerings[A].expected == set(dialled.identifiers) > set()
    assert net.steerings[B].expected == set()
    net.run(seconds=2 * SWEEP_S)
    assert net.steerings[B].expected == set(accepted.identifiers) > set()
    b._close(accepted)
    assert net.steerings[B].expected == set()
