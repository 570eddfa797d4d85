"""Handshakes over paths that carry no datagram as long as their messages."""

import pytest
from msgspec.structs import replace

from mycelium.endpoint import Endpoint
from mycelium.limits import EARLY_BYTES, NARROW_DATAGRAM
from mycelium.link.handshake_attempts import WHOLE_ONLY
from mycelium.link.handshakes import CALM
from mycelium.wire.datagram import HANDSHAKE_1, HANDSHAKE_1_BYTES, HANDSHAKE_2, HANDSHAKE_PART, HANDSHAKE_PARTS
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.link.support import HERE, OWN, PEER, HandshakeEnd, exchange
from tests.support.small_meshes import is_up, link_of, ping, reaches, received

A, B = "192.0.2.1", "192.0.2.2"


def kinds(end: HandshakeEnd) -> list[int]:
    return [data[0] for _, data in end.take_datagrams()]


def test_the_third_copy_of_a_first_message_is_sent_in_parts_too() -> None:
    end = HandshakeEnd(OWN)
    end.handshakes.begin(HERE, pin=None, now=0.0)
    sent = [kinds(end)]
    for _ in range(3):
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
        sent.append(kinds(end))
    in_parts = [HANDSHAKE_PART] * HANDSHAKE_PARTS
    assert sent == [[HANDSHAKE_1]] * WHOLE_ONLY + [[HANDSHAKE_1, *in_parts]] * 2


def test_at_another_pace_messages_are_never_sent_in_parts_too() -> None:
    end = HandshakeEnd(OWN)
    end.handshakes.begin(HERE, pin=None, pace=replace(CALM), now=0.0)
    for _ in range(6):
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
    assert set(kinds(end)) == {HANDSHAKE_1}


@pytest.mark.parametrize("endpoint", [Endpoint("udp", "2001:db8::1", 1), HERE._replace(scheme="tcp")])
def test_a_path_that_must_carry_the_whole_message_gets_no_parts(endpoint: Endpoint) -> None:
    end = HandshakeEnd(OWN)
    end.handshakes.begin(endpoint, pin=None, now=0.0)
    for _ in range(6):
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
    end.handshakes.refused(endpoint, HANDSHAKE_1_BYTES)
    assert set(kinds(end)) == {HANDSHAKE_1}


def test_an_interface_that_refuses_the_message_has_it_sent_in_parts_at_once_and_answered_so() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    assert kinds(ours) == [HANDSHAKE_1]
    ours.handshakes.refused(HERE, HANDSHAKE_1_BYTES + 1)  # what was refused was no message of a handshake
    assert kinds(ours) == []
    ours.handshakes.refused(HERE, HANDSHAKE_1_BYTES)
    [[mine], [yours]] = exchange(ours, theirs)
    assert (mine.is_narrow, yours.is_narrow) == (True, True)


def test_a_second_message_that_the_interface_refuses_is_sent_in_parts_at_once() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    theirs.receive(message_1)
    assert kinds(theirs) == [HANDSHAKE_2]
    theirs.handshakes.refused(HERE, 1_212)
    completed = [ours.receive(data) for _, data in theirs.take_datagrams()]
    assert [one.is_narrow for one in completed if one is not None] == [True]


def test_an_interface_that_refuses_messages_to_one_address_changes_nothing_for_others_and_is_believed_once() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    there = HERE._replace(port=1)
    for endpoint in (HERE, there):
        ours.handshakes.begin(endpoint, pin=None, now=0.0)
    for endpoint, message_1 in ours.take_datagrams():
        theirs.receive(message_1, source=endpoint)
    assert kinds(theirs) == [HANDSHAKE_2] * 2
    for end in (ours, theirs):
        end.handshakes.refused(there, HANDSHAKE_1_BYTES)
        assert [endpoint for endpoint, _ in end.take_datagrams()] == [there] * HANDSHAKE_PARTS
        end.handshakes.refused(there, HANDSHAKE_1_BYTES)
        assert kinds(end) == []


def test_whole_messages_leave_the_path_as_wide_as_it_is_taken_to_be() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    [[mine], [yours]] = exchange(ours, theirs)
    assert (mine.is_narrow, yours.is_narrow) == (False, False)


@pytest.mark.parametrize("directions", [{(A, B), (B, A)}, {(A, B)}, {(B, A)}], ids=["both", "there", "back"])
def test_a_link_comes_up_and_carries_anything_where_an_mtu_is_576(directions: set[tuple[str, str]]) -> None:
    net = NodeNet()
    for name in (A, B):
        net.add(name)
    net.drop = lambda sender, receiver, data: (sender, receiver) in directions and len(data) > NARROW_DATAGRAM
    net.connect(A, B)
    net.add_peer(A, url_of(B))
    net.run(4, until=lambda: is_up(net, A, B) and reaches(net, A, B) and reaches(net, B, A))
    for source, destination in ((A, B), (B, A)):
        data = ping(net, source, destination, size=1_300)
        net.run(5, until=lambda data=data, name=destination: data in received(net, name))  # type: ignore[misc]
    net.run(20)
    assert {link_of(net, one, other).paths.active.mtu.size for one, other in directions} == {NARROW_DATAGRAM}


def with_message_2() -> tuple[HandshakeEnd, HandshakeEnd, memoryview]:
    """Returns the initiator and the responder of a handshake, and the answer that the former has not got yet."""
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    for _, message_1 in ours.take_datagrams():
        theirs.receive(message_1)
    [(_, message_2)] = theirs.take_datagrams()
    return ours, theirs, message_2


def test_datagrams_that_overtake_message_3_are_kept_within_a_bound_and_only_from_where_message_1_came_from() -> None:
    ours, theirs, message_2 = with_message_2()
    ours.receive(message_2)
    index = int.from_bytes(message_2[4:8], "big")
    early, keep = memoryview(b"early"), theirs.handshakes.keep_early
    assert keep(index, HERE, early, len(early), arrived_at=0.5)
    assert not keep(index, HERE._replace(port=1), early, len(early), arrived_at=0.5)
    assert not keep(index + 1, HERE, early, len(early), arrived_at=0.5)
    assert not keep(index, HERE, memoryview(bytes(EARLY_BYTES)), EARLY_BYTES, arrived_at=0.5)
    [(_, message_3)] = ours.take_datagrams()
    completed = theirs.receive(message_3)
    assert completed is not None
    assert [(bytes(one.burst), one.arrived_at) for one in completed.early] == [(b"early", 0.5)]
    assert not keep(index, HERE, early, len(early), arrived_at=0.5)
    assert theirs.handshakes.counters.datagrams_early == 0


def test_datagrams_that_overtook_a_message_3_that_never_comes_are_counted() -> None:
    _, theirs, message_2 = with_message_2()
    index = int.from_bytes(message_2[4:8], "big")
    for burst, size in ((b"1234567", 3), (b"early", 5)):
        assert theirs.handshakes.keep_early(index, HERE, memoryview(burst), size, arrived_at=0.5)
    theirs.handshakes.handle_timeout(now=3_600.0)
    assert theirs.handshakes.counters.datagrams_early == 4
