"""Each host may have some connections that the node does not use."""

from mycelium.limits import TCP_STRANGERS_PER_HOST
from mycelium.transport.strangers import Strangers


def test_each_host_has_its_own_share() -> None:
    strangers = Strangers()
    for _ in range(TCP_STRANGERS_PER_HOST):
        assert strangers.admit("192.0.2.1")
        assert strangers.admit("2001:db8::1")
    assert not strangers.admit("192.0.2.1")
    assert not strangers.admit("2001:db8::2"), "a /64 is one host"
    assert strangers.admit("192.0.2.2")
    assert strangers.admit("2001:db8:0:1::1")
    assert len(strangers) == 2 * TCP_STRANGERS_PER_HOST + 2


def test_what_has_ended_makes_room_and_leaves_nothing_behind() -> None:
    strangers = Strangers()
    for _ in range(3):
        strangers.admit("192.0.2.1")
    for _ in range(3):
        strangers.forget("192.0.2.1")
    assert not strangers._by_host
