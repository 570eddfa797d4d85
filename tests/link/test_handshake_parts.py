"""Handshake messages in parts: put together in any order, and within bounds whoever sends them."""

import random
from itertools import permutations

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import HandshakeError
from mycelium.limits import NARROW_DATAGRAM, PARTIAL_HANDSHAKES
from mycelium.link.counters import HandshakeCounters
from mycelium.link.handshake_parts import HandshakeParts, cut, may_be_narrow
from mycelium.wire.datagram import HANDSHAKE_1_BYTES, HANDSHAKE_2_BYTES, HANDSHAKE_PART
from tests.link.support import HERE

MESSAGE = random.Random(1).randbytes(HANDSHAKE_1_BYTES)


@pytest.mark.parametrize("length", [HANDSHAKE_1_BYTES, HANDSHAKE_2_BYTES])
def test_parts_fit_the_narrowest_path_and_make_the_message_in_any_order(length: int) -> None:
    message = MESSAGE[:length]
    assert all(len(part) <= NARROW_DATAGRAM for part in cut(message))
    for order in permutations(cut(message)):
        parts = HandshakeParts(HandshakeCounters())
        assert [parts.add(HERE, part) for part in order] == [None, None, message]


def test_a_part_that_comes_twice_changes_nothing() -> None:
    parts = HandshakeParts(HandshakeCounters())
    first, second, third = cut(MESSAGE)
    assert [parts.add(HERE, part) for part in (first, first, third, third, second)] == [None] * 4 + [MESSAGE]


def test_parts_of_several_messages_are_not_mixed() -> None:
    other = MESSAGE[:4] + b"else" + MESSAGE[8:]
    counters = HandshakeCounters()
    parts = HandshakeParts(counters)
    assert [parts.add(HERE, part) for part in cut(MESSAGE)[:2] + cut(other)] == [None] * 4 + [other]
    assert counters.handshakes_incomplete == 1
    there = HERE._replace(port=1)
    assert [parts.add(at, part) for part in cut(MESSAGE)[:2] for at in (HERE, there)] == [None] * 4
    assert [parts.add(at, cut(MESSAGE)[2]) for at in (HERE, there)] == [MESSAGE] * 2
    assert counters.handshakes_incomplete == 1


def test_a_flood_of_first_parts_is_bounded_and_the_oldest_gives_way() -> None:
    counters = HandshakeCounters()
    parts = HandshakeParts(counters)
    addresses = [HERE._replace(port=number + 1) for number in range(PARTIAL_HANDSHAKES + 1)]
    for address in addresses:
        parts.add(address, cut(MESSAGE)[0])
    assert (len(parts._partial), counters.handshakes_incomplete) == (PARTIAL_HANDSHAKES, 1)
    assert [parts.add(addresses[0], part) for part in cut(MESSAGE)[1:]] == [None, None]
    assert [parts.add(addresses[-1], part) for part in cut(MESSAGE)[1:]] == [None, MESSAGE]


@pytest.mark.parametrize(
    "datagram",
    [
        bytes((HANDSHAKE_PART, 3)) + bytes(100),
        bytes((HANDSHAKE_PART,)),
        bytes((HANDSHAKE_PART, 0)) + bytes(6),
        bytes((HANDSHAKE_PART, 0)) + bytes(423),
    ],
    ids=["no such part", "no head", "empty", "too long"],
)
def test_what_is_no_part_is_refused(datagram: bytes) -> None:
    with pytest.raises(HandshakeError):
        HandshakeParts(HandshakeCounters()).add(HERE, datagram)


@pytest.mark.parametrize(
    ("endpoint", "narrow"),
    [
        (HERE, True),
        (HERE._replace(scheme="tcp"), False),
        (HERE._replace(scheme="quic"), False),
        (Endpoint("udp", "::1", 1), False),
    ],
)
def test_only_udp_over_ipv4_may_be_too_narrow(endpoint: Endpoint, narrow: bool) -> None:
    assert may_be_narrow(endpoint) is narrow
