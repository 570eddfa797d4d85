"""An eavesdropper forges cookies, which in an open network anybody can who sees message 1."""

import pytest

from mycelium.identity import blake2b
from mycelium.wire.datagram import COOKIE, COOKIE_DATAGRAM, HANDSHAKE_1
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.hostile.support import eavesdrop, strain
from tests.support.small_meshes import is_up

MESSAGES_PER_COPY = 3  # one without a cookie, one at once, one along with the next copy


def forged_cookie(message_1: bytes, cookie: bytes) -> bytes:
    """Returns a cookie datagram that answers a message 1 of an open network."""
    index = int.from_bytes(message_1[4:8], "big")
    datagram = COOKIE_DATAGRAM.pack(COOKIE, index, message_1[-8:-4], cookie, b"")[:-8]
    key = blake2b(b"mycelium cookie mac 1\x00" + bytes(32) + message_1[8:40], size=32)
    return datagram + blake2b(datagram, size=8, key=key)


def forge(net: NodeNet, count: int, *, source: str = "b") -> None:
    """Has some forged cookies answer each message 1 of a, sooner than b can."""

    def act(receiver: str, data: bytes) -> None:
        if data[0] == HANDSHAKE_1:
            for number in range(count):
                forged = forged_cookie(data, net.rng.randbytes(31) + bytes((number,)))
                net.inject("a", net.hosts[source].endpoint, forged)

    eavesdrop(net, "a", act)


def dialled(*, load_s: float = 0.0) -> NodeNet:
    """Returns a, b and c, where b is flooded by strangers for a while; a is to dial it."""
    net = NodeNet()
    for name in "abc":
        net.add(name)
    if load_s:
        strain(net, "b", load_s)
    return net


def dial_in_vain(net: NodeNet) -> None:
    """Has a dial b, which nothing of it reaches."""
    net.connect("a", "b")
    net.cut("a", "b")
    net.add_peer("a", url_of("b"))


@pytest.mark.parametrize("count", [1, 3])
def test_forged_cookies_for_each_message_keep_no_link_from_forming_under_load(count: int) -> None:
    net = dialled(load_s=8)
    forge(net, count)
    net.join("a", "b")
    net.run(6, until=lambda: is_up(net, "a", "b"))


def test_forged_cookies_are_worth_nothing_where_none_are_asked_for() -> None:
    net = dialled()
    forge(net, 100)
    net.join("a", "b")
    assert net.run(2, until=lambda: is_up(net, "a", "b")) < 0.1


def test_cookies_from_elsewhere_draw_nothing() -> None:
    net = dialled()
    net.capture = []
    forge(net, 100, source="c")
    dial_in_vain(net)
    net.run(0.2)
    assert len(net.capture) == 1


def test_a_flood_of_cookies_has_a_bounded_number_of_messages_sent() -> None:
    net = dialled()
    net.capture = []
    forge(net, 100)
    dial_in_vain(net)
    net.run(60)
    flooded = len(net.capture)

    calm = dialled()
    calm.capture = []
    dial_in_vain(calm)
    calm.run(60)
    assert flooded <= MESSAGES_PER_COPY * len(calm.capture)
