"""A stranger replays message 1 that he has recorded on the way: at other nodes, later, or sooner than it arrives itself."""

import pytest

from mycelium.crypto.cookies import PERIOD_S
from mycelium.endpoint import Endpoint
from mycelium.wire.datagram import COOKIE, HANDSHAKE_1, HANDSHAKE_2
from sim.net.network import PORT, url_of
from sim.net.node_net import NodeNet
from tests.hostile.support import eavesdrop
from tests.support.small_meshes import is_up

PSK = b"p" * 32
STRANGER = Endpoint("udp", "stranger", PORT)
WITHIN_S = 2.0  # in which a link forms that the stranger would prevent


def members(names: str = "abc") -> NodeNet:
    """Returns nodes of a private network."""
    net = NodeNet()
    for name in names:
        net.add(name, psk=PSK)
    return net


def recorded(net: NodeNet, *, is_pinned: bool, is_answered: bool = True) -> list[bytes]:
    """Returns the messages 1 by which a dials b."""
    net.connect("a", "b")
    if not is_answered:
        net.cut("a", "b")
    net.capture = []
    net.add_peer("a", url_of("b"), net.hosts["b"].identity.exchange_public_key if is_pinned else None)
    net.run(3)
    captured, net.capture = net.capture, None
    return [data for sender, _, data in captured if sender == "a" and data[0] == HANDSHAKE_1]


def replayed(net: NodeNet, messages: list[bytes], name: str) -> list[int]:
    """Returns the types of what a node answers to a stranger who replays messages to it."""
    net.connect(name, "stranger")
    net.capture = []
    for message in messages:
        net.inject(name, STRANGER, message)
    captured, net.capture = net.capture, None
    return [data[0] for sender, receiver, data in captured if (sender, receiver) == (name, "stranger")]


@pytest.mark.parametrize("name", ["b", "c"])
def test_a_message_to_a_node_whose_key_was_known_draws_nothing_anywhere(name: str) -> None:
    net = members()
    assert replayed(net, recorded(net, is_pinned=True), name) == []


def test_a_message_to_whoever_answers_draws_nothing_later() -> None:
    net = members()
    messages = recorded(net, is_pinned=False)
    assert replayed(net, messages, "b") == []
    assert replayed(net, messages, "c") == [HANDSHAKE_2]
    net.run(2 * PERIOD_S)
    for name in ("b", "c"):
        net.restart(name)
        assert replayed(net, messages, name) == []


def test_a_question_for_a_cookie_draws_no_more_than_that() -> None:
    net = members()
    messages = recorded(net, is_pinned=True, is_answered=False)
    net.run(2 * PERIOD_S)
    assert set(replayed(net, messages, "c")) == {COOKIE}
    assert not net.hosts["c"].node.handshakes._responses


@pytest.mark.parametrize("offset_s", [-1e9, 1e9])
@pytest.mark.parametrize("wrong", ["a", "b"])
def test_a_node_whose_clock_is_wrong_gets_its_links(wrong: str, offset_s: float) -> None:
    net = members()
    net.hosts[wrong].node.handshakes.set_clock(2e9 + offset_s, now=net.now)
    for name in "abc".replace(wrong, ""):
        net.hosts[name].node.handshakes.set_clock(2e9, now=net.now)
    net.join("a", "b", pin=net.hosts["b"].identity.exchange_public_key)
    net.run(WITHIN_S, until=lambda: is_up(net, "a", "b"))


@pytest.mark.parametrize("psk", [PSK, bytes(32)], ids=["private", "open"])
def test_a_copy_that_arrives_first_keeps_no_link_from_forming(psk: bytes) -> None:
    net = NodeNet()
    for name in "ab":
        net.add(name, psk=psk)

    def copy(receiver: str, data: bytes) -> None:
        if data[0] == HANDSHAKE_1:
            net.inject(receiver, STRANGER, data)

    eavesdrop(net, "a", copy)
    net.join("a", "b")
    net.run(WITHIN_S, until=lambda: is_up(net, "a", "b"))


def test_a_message_with_the_same_ephemeral_key_that_arrives_first_is_another_one() -> None:
    net = members("ab")

    def change(receiver: str, data: bytes) -> None:
        if data[0] == HANDSHAKE_1:
            net.inject(receiver, net.hosts["a"].endpoint, data[:40] + bytes(1_184) + data[-8:])

    eavesdrop(net, "a", change)
    net.join("a", "b")
    net.run(WITHIN_S, until=lambda: is_up(net, "a", "b"))
