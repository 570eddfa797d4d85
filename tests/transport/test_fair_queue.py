"""Who sends much waits behind who sends little, whatever networks it sends from."""

from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import STRANGERS_WAITING, SUBNETS
from mycelium.transport.fair_queue import FairQueue

NEWCOMER: Final = Endpoint("udp", "2001:db8::1", 1)


def source(number: int, form: str) -> Endpoint:
    return Endpoint("udp", form.format(number), 1)


def taken(queue: FairQueue) -> list[bytes]:
    return [queue.take()[0] for _ in range(len(queue))]


def test_datagrams_of_one_source_keep_their_order() -> None:
    queue = FairQueue()
    datagrams = [bytes([number]) for number in range(10)]
    assert all(queue.put(one, NEWCOMER) for one in datagrams)
    assert taken(queue) == datagrams


def test_a_copy_of_what_waits_is_left_out() -> None:
    queue, other = FairQueue(), source(0, "fd99::1")
    for _ in range(3):
        assert queue.put(b"first message", NEWCOMER)
        assert queue.put(b"first message", other)
        assert queue.put(b"with a cookie", NEWCOMER)
    assert taken(queue) == [b"first message", b"first message", b"with a cookie"]
    queue.put(b"first message", NEWCOMER)
    assert taken(queue) == [b"first message"]  # the one before waits no more


def test_a_copy_of_what_had_to_give_way_is_queued() -> None:
    queue = FairQueue()
    flooder = source(0, "fd99::1")
    for number in range(STRANGERS_WAITING):
        queue.put(b"flood %d" % number, flooder)
    last = b"flood %d" % (STRANGERS_WAITING - 1)
    assert not queue.put(b"newcomer", NEWCOMER)  # in place of the last one
    queue.take()
    assert queue.put(last, flooder)
    assert taken(queue)[-1] == last


@pytest.mark.parametrize(
    "form",
    ["fd99::1", "fd99::{:x}", "fd99:0:0:{:x}::1", "10.0.0.1", "10.0.0.{}", "127.0.0.1"],
    ids=["one host", "one /64", "one /48", "one IPv4 host", "one /24", "this host"],
)
def test_a_newcomer_is_next_but_few_whoever_floods(form: str) -> None:
    queue = FairQueue()
    for number in range(4 * STRANGERS_WAITING):
        queue.put(b"flood %d" % number, source(number % 200, form))
        if number % 4 == 0:
            queue.take()
    assert queue.put(b"newcomer", NEWCOMER) is False  # another one gave way
    assert b"newcomer" in [queue.take()[0] for _ in range(5)]


def test_a_wider_network_has_twice_the_share() -> None:
    queue = FairQueue()
    for number in range(40):
        for form in ("fd01::1", "fd02:0:0:{:x}::1", "fd03:0:0:{:x}00::1"):
            queue.put(b"%s %d" % (form[:4].encode(), number), source(number, form))
    first = [queue.take()[0][:4] for _ in range(70)]
    assert [first.count(name) for name in (b"fd01", b"fd02", b"fd03")] == [10, 20, 40]


def test_it_is_bounded_and_the_newest_of_who_sends_much_gives_way() -> None:
    queue = FairQueue()
    for number in range(STRANGERS_WAITING):
        assert queue.put(b"%d" % number, source(0, "fd99::1"))
    assert not queue.put(b"one more", source(0, "fd99::1"))
    assert not queue.put(b"newcomer", NEWCOMER)
    assert len(queue) == STRANGERS_WAITING
    left = taken(queue)
    assert b"one more" not in left
    assert left[:2] == [b"0", b"newcomer"]
    assert left[2:] == [b"%d" % number for number in range(1, STRANGERS_WAITING - 1)]


def test_who_was_crowded_out_has_lost_nothing_of_his_share() -> None:
    queue = FairQueue()
    flooder = source(0, "fd99::1")
    for number in range(STRANGERS_WAITING):
        queue.put(b"flood %d" % number, flooder)
    for number in range(STRANGERS_WAITING - 1):
        queue.put(b"other", source(number, "fd{:02x}::1"))
    queue.put(b"again", flooder)
    assert b"again" not in taken(queue)  # it is full
    queue.put(b"again", flooder)
    assert taken(queue) == [b"again"]


def test_no_more_networks_are_remembered_than_there_may_be() -> None:
    queue = FairQueue()
    for number in range(2 * SUBNETS):
        queue.put(b"", source(number, "fd99:{:x}::1"))
        if number:
            queue.take()
    assert len(queue._clocks) <= SUBNETS
