"""Whole nodes find shortcuts: from NAT to NAT, without loss, and only while they are of use."""

from typing import Any, Final

import pytest
from msgspec import structs

from mycelium.node.event_kind import EventKind
from mycelium.node.node import Node
from mycelium.node.snapshot import PeerOrigin
from mycelium.peering.attempt import CALLS
from mycelium.peering.auto import AutoPeer
from mycelium.peering.shortcuts import ShortcutFailed
from mycelium.session.session import Session
from mycelium.wire.known_peer import known_peer
from mycelium.wire.signal import Signal, SignalKind, decode_signal
from mycelium.wire.train import ITEM_SIGNAL
from sim.net.nat import Behaviour, Nat, NatModel
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import counter, is_up, link_of, ping, received

HERE, THERE, RELAY, OTHER_RELAY = "198.51.100.7", "192.0.2.9", "203.0.113.1", "203.0.113.2"
EASY: Final = "endpoint-independent"
HARD: Final = "address-and-port-dependent"


def relayed(
    here: Behaviour = EASY,
    there: Behaviour = EASY,
    *,
    filtering: Behaviour = HARD,
    direct_s: float = 0.010,
    jitter_s: float = 0.0,
    seed: int = 0,
) -> NodeNet:
    """Returns two nodes behind NATs, with two relays between them that are farther away than they are from each other."""
    net = NodeNet(seed)
    for name in (HERE, THERE, RELAY, OTHER_RELAY):
        net.add(name, shortcuts=True)
    for name, mapping in ((HERE, here), (THERE, there)):
        net.hosts[name].nat = Nat(NatModel(mapping=mapping, filtering=filtering))
        for relay in (RELAY, OTHER_RELAY):
            net.join(name, relay, 0.030)
    net.connect(HERE, THERE, direct_s)
    for wire in net.wires.values():
        wire.reshape(jitter_s=jitter_s)
    net.run(5, until=lambda: all(is_up(net, name, RELAY) and is_up(net, name, OTHER_RELAY) for name in (HERE, THERE)))
    net.run(2)
    return net


def kinds(net: NodeNet, name: str) -> list[EventKind]:
    """Returns the kinds of events about shortcuts in a journal."""
    return [one.kind for one in net.hosts[name].node.journal.after(0) if one.kind.value.startswith("shortcut")]


def is_direct(net: NodeNet) -> bool:
    """Tells whether both ends send directly to each other."""
    here, there = net.hosts[HERE], net.hosts[THERE]
    return (
        here.node.routing.forwarding.next_hop.get(there.address) == there.address
        and there.node.routing.forwarding.next_hop.get(here.address) == here.address
    )


def chat(net: NodeNet, seconds: float, every_s: float = 0.1) -> list[bytes]:
    """Sends pings in both directions; returns those that were sent in either."""
    sent = []
    for _ in range(round(seconds / every_s)):
        sent += [ping(net, HERE, THERE), ping(net, THERE, HERE)]
        net.run(every_s)
    return sent


def test_traffic_over_a_relay_becomes_direct_within_a_second_and_nothing_is_lost() -> None:
    net = relayed()
    sent = chat(net, 1.5)
    assert is_direct(net)
    sent += chat(net, 1)
    net.run(1)
    assert sorted(received(net, HERE) + received(net, THERE)) == sorted(sent)
    for name in (HERE, THERE):
        origins = [peer.origin for peer in net.hosts[name].node.snapshot(now=net.now).peers]
        assert origins == [PeerOrigin.CONFIGURED, PeerOrigin.CONFIGURED, PeerOrigin.SHORTCUT]
        assert kinds(net, name) == [EventKind.SHORTCUT_OPENED]
        assert counter(net, name, "shortcuts_opened") == counter(net, name, "shortcuts_open") == 1
    assert counter(net, HERE, "shortcuts_tried") + counter(net, THERE, "shortcuts_tried") <= 2


def test_packets_arrive_in_order_although_the_direct_way_is_quicker() -> None:
    net = relayed()
    sent = []
    for _ in range(600):
        sent.append(ping(net, HERE, THERE))
        net.run(0.002)
    net.run(1)
    assert is_direct(net)
    assert received(net, THERE) == sent


@pytest.mark.parametrize(("here", "there"), [(EASY, HARD), (HARD, EASY)])
def test_a_nat_with_a_port_for_each_destination_reaches_one_that_filters_by_address(
    here: Behaviour, there: Behaviour
) -> None:
    net = relayed(here, there, filtering="address-dependent")
    chat(net, 2)
    assert is_direct(net)


@pytest.mark.parametrize(("here", "there"), [(EASY, HARD), (HARD, HARD)])
def test_what_cannot_be_direct_is_given_up_soon_and_both_ends_know_the_relays_in_common(
    here: Behaviour, there: Behaviour
) -> None:
    net = relayed(here, there)
    for name in (HERE, THERE):
        assert net.hosts[name].node.outside.view.mapping.value == (
            "endpoint-dependent" if (here if name == HERE else there) == HARD else EASY
        )
    failed = watch_failures(net)
    sent = chat(net, 2)
    net.run(0.5)
    assert sorted(received(net, HERE) + received(net, THERE)) == sorted(sent)
    relays = {net.hosts[name].address for name in (RELAY, OTHER_RELAY)}
    assert {name: set(one.common) for name, one in failed.items()} == {HERE: relays, THERE: relays}
    assert "endpoint-dependent" in failed[HERE].cause


def watch_failures(net: NodeNet) -> dict[str, ShortcutFailed]:
    """Returns what collects the first failure at each end."""
    found: dict[str, ShortcutFailed] = {}

    def watch(name: str) -> None:
        def note(failed: ShortcutFailed, *, now: float) -> None:
            found.setdefault(name, failed)

        net.hosts[name].node.shortcuts.on_failure = note

    for name in (HERE, THERE):
        watch(name)
    return found


@pytest.mark.parametrize("lost", ["first", "second", "third"])
def test_a_lost_signal_costs_a_moment_only(lost: str) -> None:
    net = relayed()
    signals = watch_signals(net, lose=["first", "second", "third"].index(lost))
    chat(net, 5)
    assert len(signals) > 3
    assert is_direct(net)


def watch_signals(net: NodeNet, *, lose: int = -1) -> list[Signal]:
    """Returns what collects the signals that both ends send; the one with this number is lost."""
    signals: list[Signal] = []

    def watch(node: Node) -> None:
        send_item = node.sending.send_item

        def send(session: Session, kind: int, content: bytes, **named: Any) -> bool:
            signal = decode_signal(content) if kind == ITEM_SIGNAL else None
            if signal is not None:
                signals.append(signal)
            is_lost = signal is not None and len(signals) - 1 == lose
            return is_lost or send_item(session, kind, content, **named)

        node.sending.send_item = send  # type: ignore[method-assign]

    for name in (HERE, THERE):
        watch(net.hosts[name].node)
    return signals


def test_a_shortcut_is_closed_a_minute_after_the_last_packet_and_opened_again_when_needed() -> None:
    net = relayed()
    chat(net, 1.5)
    assert is_direct(net)
    net.run(50)
    assert is_direct(net)
    net.run(25)
    assert not is_direct(net)
    assert net.hosts[THERE].address not in net.hosts[HERE].node.links
    assert EventKind.SHORTCUT_CLOSED in kinds(net, HERE) + kinds(net, THERE)
    sent = chat(net, 2)
    assert is_direct(net)
    assert set(sent) <= set(received(net, HERE) + received(net, THERE))


@pytest.mark.parametrize("reason", ["peer list", "automatic peers"])
def test_a_shortcut_that_is_wanted_for_another_reason_is_not_closed(reason: str) -> None:
    net = relayed()
    chat(net, 1.5)
    here, there = net.hosts[HERE].node, net.hosts[THERE]
    if reason == "peer list":
        for name, other in ((HERE, THERE), (THERE, HERE)):
            net.add_peer(name, url_of(other), net.hosts[other].identity.exchange_public_key)
    else:
        for name, other in ((HERE, THERE), (THERE, HERE)):
            peer = known_peer(net.hosts[other].endpoint, net.hosts[other].identity.exchange_public_key)
            exchange = net.hosts[name].node.exchange
            exchange.auto.wanted = 1
            exchange.auto.kept[net.hosts[other].address] = AutoPeer(peer, net.now)
    net.run(90)
    assert is_direct(net)
    assert here.neighbours.is_kept(there.address)


def test_a_shortcut_that_carries_traffic_stays() -> None:
    net = relayed()
    chat(net, 1.5)
    chat(net, 130, every_s=1.0)
    assert is_direct(net)
    assert kinds(net, HERE) == [EventKind.SHORTCUT_OPENED]


def test_a_shortcut_that_breaks_under_traffic_is_called_for_again() -> None:
    net = relayed()
    chat(net, 1.5)
    here = net.hosts[HERE]
    assert here.nat is not None
    here.nat = Nat(here.nat.model)  # as when a mobile host comes to another network
    here.nat._next = 500
    chat(net, 5)
    assert is_direct(net)
    assert is_up(net, HERE, THERE)
    assert link_of(net, THERE, HERE).paths.active.endpoint.port >= 40_500


def test_nodes_without_shortcuts_neither_call_nor_answer() -> None:
    net = relayed()
    net.stop(THERE)
    host = net._all[THERE]
    host.settings = structs.replace(host.settings, shortcuts=False)
    net.restart(THERE)
    net.run(3)
    signals = watch_signals(net)
    chat(net, 4)
    assert not is_direct(net)
    assert {one.kind for one in signals} == {SignalKind.CALL}
    assert counter(net, THERE, "items_unknown") == len(signals) <= CALLS
    net.run(10)
    assert kinds(net, HERE) == [EventKind.SHORTCUT_FAILED]
    assert kinds(net, THERE) == []


def test_failed_attempts_are_repeated_ever_more_rarely_until_the_network_changes() -> None:
    net = relayed()
    net.cut(HERE, THERE)
    chat(net, 100, every_s=0.5)
    assert 3 <= counter(net, HERE, "shortcuts_failed") <= 6
    for name in (HERE, THERE):
        net.hosts[name].running.act(net.hosts[name].node.network_changed)
    net.mend(HERE, THERE)
    chat(net, 4)
    assert is_direct(net)


def test_a_session_without_packets_is_no_reason() -> None:
    net = relayed()
    ping(net, HERE, THERE)
    net.run(20)
    assert counter(net, HERE, "shortcuts_tried") == counter(net, THERE, "shortcuts_tried") == 0
