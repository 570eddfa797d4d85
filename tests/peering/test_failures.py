"""Why a peer has no link is told by its real cause, each produced between nodes, and for no longer than it holds."""

from collections.abc import Callable
from typing import Final

import pytest

from mycelium.endpoint import Endpoint
from mycelium.link import causes
from mycelium.link.handshake_attempts import REPORT_VALID_S
from mycelium.link.handshakes import INITIATOR_PATIENCE_S
from mycelium.node import neighbours as neighbours_module
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry
from mycelium.peering.failures import Failures
from mycelium.policy.base import DefaultPolicy
from mycelium.timing import TokenBucket
from mycelium.wire.datagram import FRAME, HANDSHAKE_1, HANDSHAKE_2
from sim.net.network import PORT, url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_up

HERE: Final = Endpoint("udp", "192.0.2.1", PORT)
PIN: Final = bytes(range(32))
URL: Final = url_of("b")
FORBIDDEN: Final = "the firewall forbids it"


class Deny(DefaultPolicy):
    def allows_neighbour(self, node: bytes) -> bool:
        return False


# -- one peer's ----------------------------------------------------------------------------------------------------------


def test_causes_that_alternate_are_news_ever_more_rarely() -> None:
    failures = Failures()
    told = [failures.add(HERE, ("no answer", "no route")[attempt % 2]) for attempt in range(100)]
    assert [attempt for attempt, count in enumerate(told) if count] == [0, 1, 2, 4, 8, 16, 32, 64]


def test_a_cause_in_a_row_is_counted_from_its_first_time() -> None:
    failures = Failures()
    assert [failures.add(HERE, cause) for cause in ("one", "one", "other", "other", "other")] == [1, 2, 1, 2, 3]


# -- of a node -----------------------------------------------------------------------------------------------------------


def pair(*, pin: bytes | None = None, **of_a: object) -> NodeNet:
    """Returns a, which is about to dial b, and b, joined."""
    net = NodeNet()
    net.add("a", **of_a)  # type: ignore[arg-type]
    net.add("b")
    net.join("a", "b", pin=pin)
    return net


def failures_of(net: NodeNet) -> list[Entry]:
    return [one for one in net.hosts["a"].node.journal.after(0) if one.kind is EventKind.PEER_FAILED]


def last_causes(net: NodeNet) -> tuple[tuple[Endpoint | None, str], ...]:
    return net.hosts["a"].node.snapshot(now=net.now).peers[0].failures


def answering_with(change: Callable[[bytearray], None]) -> Callable[[NodeNet], None]:
    """Changes what b answers to handshakes on its way to a."""

    def set_up(net: NodeNet) -> None:
        def drop(sender: str, receiver: str, data: bytes) -> bool:
            if data[0] != HANDSHAKE_2 or sender != "b":
                return False
            changed = bytearray(data)
            change(changed)
            net.at(net.now, lambda: net.inject("a", Endpoint("udp", "b", PORT), bytes(changed)))
            return True

        net.drop = drop

    return set_up


def of_other_version(data: bytearray) -> None:
    data[1] = 7


def damaged(data: bytearray) -> None:
    data[-1] ^= 1


def silenced(net: NodeNet) -> None:
    net.cut("a", "b")


def crowded(net: NodeNet) -> None:
    """Uses up what b answers without a cookie, and loses all that comes with one."""
    net.drop = lambda sender, receiver, data: sender == "b" and data[0] == HANDSHAKE_2
    net.hosts["b"].node.handshakes._gate._unproven = TokenBucket(0.001, now=net.now)


def mute(net: NodeNet) -> None:
    net.drop = lambda sender, receiver, data: data[0] >= FRAME


def refused(net: NodeNet) -> None:
    """The host of a says of every first message that it may not leave."""

    def drop(sender: str, receiver: str, data: bytes) -> bool:
        if data[0] == HANDSHAKE_1 and sender == "a":
            a = net.hosts["a"].node
            net.at(net.now, lambda: a.undelivered(Endpoint("udp", "b", PORT), FORBIDDEN, now=net.now))
        return True

    net.drop = drop


@pytest.mark.parametrize(
    ("set_up", "cause", "within_s"),
    [
        (silenced, causes.NO_ANSWER, INITIATOR_PATIENCE_S),
        (answering_with(of_other_version), causes.other_version(7), INITIATOR_PATIENCE_S),
        (answering_with(damaged), causes.UNAUTHENTIC, INITIATOR_PATIENCE_S),
        (crowded, causes.BUSY, INITIATOR_PATIENCE_S),
        (mute, causes.NOTHING_AFTER, 8.0),
        (refused, FORBIDDEN, INITIATOR_PATIENCE_S),
    ],
    ids=["silence", "version", "damage", "load", "mute", "refused"],
)
def test_a_failure_is_told_by_its_cause_until_the_link_is_up(
    set_up: Callable[[NodeNet], None], cause: str, within_s: float
) -> None:
    net = pair()
    set_up(net)
    net.run(within_s + 0.5)
    assert [(one.peer, one.cause, one.count) for one in failures_of(net)] == [(URL, cause, 1)]
    assert last_causes(net) == ((Endpoint("udp", "b", PORT), cause),)
    net.drop = lambda sender, receiver, data: False
    net.mend("a", "b")
    net.run(30, until=lambda: is_up(net, "a", "b"))
    assert last_causes(net) == ()


def test_a_wrong_pin_is_told_soon_with_both_keys_and_ends_the_attempt() -> None:
    net = pair(pin=PIN)
    net.run(2)
    [entry] = failures_of(net)
    key = net.hosts["b"].identity.exchange_public_key.hex()
    assert entry.cause == (
        f"answered with key {key[:4]}…, not the pinned {PIN.hex()[:4]}…: is the pin old, or is somebody in between?"
    )
    assert not net.hosts["a"].node.dialler.remotes()
    assert is_up(net, "a", "b") is False


def test_a_right_entry_beside_a_wrong_pin_is_linked_at_once_and_the_wrong_one_keeps_its_cause() -> None:
    net = pair(pin=PIN)
    net.run(3.0)
    wrong, right = URL, f"{URL}#right"
    a = net.hosts["a"].node
    a.peers.by_url[wrong].url = wrong
    a.add_peer(right, pin=net.hosts["b"].identity.exchange_public_key, now=net.now)
    a.peer_resolved(right, [Endpoint("udp", "b", PORT)], now=net.now)
    net.drain("a")
    assert net.run(1.0, until=lambda: is_up(net, "a", "b")) < 0.1
    net.run(60.0)
    shown = {peer.url: peer for peer in a.snapshot(now=net.now).peers}
    assert "not the pinned" in shown[wrong].failures[0][1]
    assert shown[wrong].next_attempt is not None
    assert (shown[right].failures, shown[right].next_attempt) == ((), None)


def test_a_peer_that_is_this_node_is_told_once_and_left_alone() -> None:
    net = NodeNet()
    net.add("a")
    net.connect("a", "a")
    net.capture = []
    net.add_peer("a", url_of("a"))
    net.run(300)
    assert [(one.cause, one.count) for one in failures_of(net)] == [(causes.THIS_NODE, 1)]
    assert len([data for _, _, data in net.capture if data[0] == HANDSHAKE_1]) == 1
    assert last_causes(net) == ((Endpoint("udp", "a", PORT), causes.THIS_NODE),)
    net.hosts["a"].node.network_changed(now=net.now)
    net.drain("a")
    net.run(1)
    assert len({data for _, _, data in net.capture if data[0] == HANDSHAKE_1}) == 2


def test_a_peer_with_this_node_s_key_on_another_host_is_not_taken_for_this_node() -> None:
    net = NodeNet()
    net.add("a", seed=1)
    net.add("b", seed=1)
    net.join("a", "b")
    net.run(60)
    assert [(one.cause, one.count) for one in failures_of(net)][:2] == [(causes.SAME_KEY, 1), (causes.SAME_KEY, 2)]


def test_a_peer_that_the_own_policy_excludes_is_told_so() -> None:
    net = pair(policy=Deny())
    net.run(1)
    assert [one.cause for one in failures_of(net)] == [causes.DENIED_HERE]


def test_a_peer_that_does_not_want_this_node_says_so_and_is_dialled_ever_less_often() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b", policy=Deny())
    net.capture = []
    net.join("a", "b")
    net.run(8)
    assert [(one.cause, one.count) for one in failures_of(net)] == [(causes.DECLINED, 1)]
    assert last_causes(net) == ((Endpoint("udp", "b", PORT), causes.DECLINED),)
    assert not net.hosts["b"].node.links
    net.run(300)
    assert len({data for _, _, data in net.capture if data[0] == HANDSHAKE_1}) < 45


def test_a_peer_beyond_the_bound_of_links_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    net = NodeNet()
    for name in "abc":
        net.add(name)
    monkeypatch.setattr(neighbours_module, "LINKS", -1)
    net.join("a", "b")
    net.run(1)
    assert [one.cause for one in failures_of(net)] == [causes.too_many_links(0)]


def test_a_report_holds_for_what_was_sent_shortly_after_it_only() -> None:
    net = pair()
    net.cut("a", "b")
    a = net.hosts["a"].node
    a.undelivered(Endpoint("udp", "b", PORT), FORBIDDEN, now=net.now)
    net.run(INITIATOR_PATIENCE_S + 0.5)
    assert REPORT_VALID_S < INITIATOR_PATIENCE_S
    assert [one.cause for one in failures_of(net)] == [causes.NO_ANSWER]


def test_each_address_of_a_name_has_a_cause_of_its_own() -> None:
    net = pair()
    net.cut("a", "b")
    a = net.hosts["a"].node
    url = "udp://name.example:9651"
    a.add_peer(url, now=net.now)
    a.peer_resolved(url, [Endpoint("udp", "b", PORT), Endpoint("udp", "a", PORT)], now=net.now)
    net.connect("a", "a")
    net.drain("a")
    net.run(INITIATOR_PATIENCE_S + 0.5)
    assert [(str(one.endpoint), one.cause) for one in failures_of(net) if str(one.endpoint) != one.peer] == [
        ("udp://a:9651", causes.THIS_NODE),
        ("udp://b:9651", causes.NO_ANSWER),
    ]
