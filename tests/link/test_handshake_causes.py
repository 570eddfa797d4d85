"""Why handshakes fail, as they themselves know it, and what forged answers and cookies can make of them."""

import pytest

from mycelium.crypto.cookies import add_cookie
from mycelium.endpoint import Endpoint
from mycelium.link.causes import BUSY, NO_ANSWER, SAME_KEY, THIS_NODE, UNAUTHENTIC, other_version, wrong_key
from mycelium.link.handshake_attempts import REPORT_VALID_S, TIMELY_COPIES
from mycelium.link.handshakes import INITIATOR_PATIENCE_S, Failed
from mycelium.wire.datagram import COOKIE, HANDSHAKE_1
from tests.link.support import HERE, OWN, PEER, HandshakeEnd, exchange

PIN = bytes(range(32))
NO_PSK = bytes(32)
WIDE = Endpoint("udp", "2001:db8::1", 9651)  # where messages are never sent in parts


def begun(*, pin: bytes | None = None) -> tuple[HandshakeEnd, int, memoryview]:
    """Returns an end that has begun a handshake, its index and its first message."""
    end = HandshakeEnd(OWN)
    index = end.handshakes.begin(HERE, pin=pin, now=0.0)
    [(_, message_1)] = end.take_datagrams()
    return end, index, message_1


def answer(message_1: memoryview, *, end: HandshakeEnd | None = None) -> bytearray:
    """Returns what an end, another node unless given, answers to a first message."""
    end = end or HandshakeEnd(PEER)
    end.receive(message_1)
    [(_, message_2)] = end.take_datagrams()
    return bytearray(message_2)


def failure(end: HandshakeEnd) -> list[Failed]:
    """Returns what has failed once patience is over."""
    end.handshakes.handle_timeout(now=INITIATOR_PATIENCE_S)
    return end.handshakes.take_failed()


def test_what_the_host_says_of_a_datagram_concerns_the_handshake_with_its_receiver_alone() -> None:
    end, here, _ = begun()
    there = end.handshakes.begin(HERE._replace(host="192.0.2.2"), pin=None, now=0.0)
    end.handshakes.reported(HERE, "no route", now=INITIATOR_PATIENCE_S - REPORT_VALID_S)
    assert sorted(failure(end)) == [(here, "no route"), (there, NO_ANSWER)]


def test_an_answer_of_another_version_is_named_by_its_version() -> None:
    end, index, message_1 = begun()
    message_2 = answer(message_1)
    message_2[1] = 7
    assert end.receive(memoryview(message_2)) is None
    assert end.handshakes.counters.handshakes_refused == 1
    assert failure(end) == [(index, other_version(7))]


def test_a_damaged_answer_leaves_the_handshake_to_the_genuine_one() -> None:
    end, _, message_1 = begun()
    message_2 = answer(message_1)
    damaged = bytearray(message_2)
    damaged[-1] ^= 1
    assert end.receive(memoryview(damaged)) is None
    assert end.receive(memoryview(message_2)) is not None
    end, index, message_1 = begun()
    end.receive(memoryview(damaged))
    assert failure(end) == [(index, UNAUTHENTIC)]


def test_who_proves_another_key_than_the_pinned_one_ends_the_handshake_at_once() -> None:
    end, index, _ = begun(pin=PIN)
    while end.handshakes.holds(index):
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
        assert exchange(end, HandshakeEnd(PEER)) == ([], [])
    [(failed, cause)] = end.handshakes.take_failed()
    assert (failed, cause) == (index, wrong_key(PEER.exchange_public_key, PIN))


@pytest.mark.parametrize("first_index", [1, 0x0100_0001])
def test_an_end_that_has_answered_itself_knows_that_this_is_this_node(first_index: int) -> None:
    end = HandshakeEnd(OWN, first_index=first_index)
    index = end.handshakes.begin(HERE, pin=None, now=0.0)
    assert exchange(end, end) == ([], [])
    assert end.handshakes.take_failed() == [(index, THIS_NODE)]


def test_another_host_with_the_same_key_is_not_taken_for_this_node_although_it_uses_the_same_index() -> None:
    end, index, message_1 = begun()
    answer(begun()[2], end=end)  # under index 2
    assert end.receive(memoryview(answer(message_1, end=HandshakeEnd(OWN, first_index=2)))) is None
    assert end.handshakes.take_failed() == []
    assert failure(end) == [(index, SAME_KEY)]


def asked_for_cookies(count: int, end: HandshakeEnd, now: float) -> tuple[list[memoryview], list[bytes]]:
    """Begins a handshake whose first message does not arrive before it asks for a cookie.

    Returns so many cookies that answer it, and the first message with each of them.
    """
    end.handshakes.begin(WIDE, pin=None, now=now)
    for _ in range(TIMELY_COPIES):
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
    asking = [data for _, data in end.take_datagrams() if data[0] == HANDSHAKE_1][-1]
    theirs = HandshakeEnd(PEER)
    for number in range(count):
        theirs.receive(asking, source=HERE._replace(host=f"192.0.2.{number}"))
    cookies = [data for _, data in theirs.take_datagrams()]
    assert [cookie[0] for cookie in cookies] == [COOKIE] * count
    return cookies, [add_cookie(bytes(cookie), [bytes(asking)], NO_PSK) for cookie in cookies]


def test_who_sends_cookies_alone_is_said_to_be_busy() -> None:
    end = HandshakeEnd(OWN)
    (cookie,), _ = asked_for_cookies(1, end, 0.0)
    end.receive(cookie, source=WIDE)
    assert [cause for _, cause in failure(end)] == [BUSY]


def test_of_many_cookies_the_first_is_answered_at_once_and_any_one_of_the_others_with_the_next_copy() -> None:
    end = HandshakeEnd(OWN)
    answered = []
    for begun_at in range(0, 4_000, 10):
        cookies, proofs = asked_for_cookies(4, end, float(begun_at))
        for cookie in cookies:
            end.receive(cookie, source=WIDE)
        assert [bytes(data) for _, data in end.take_datagrams()] == proofs[:1]
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())
        [proof] = [proof for _, data in end.take_datagrams() if (proof := bytes(data)) in proofs]
        answered.append(proofs.index(proof))
        end.handshakes.drop_all("over")
    assert all(0.25 < answered.count(number) / len(answered) < 0.42 for number in (1, 2, 3))
