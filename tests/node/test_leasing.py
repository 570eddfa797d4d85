"""Leases of relays' ports among whole nodes: links across a kernel that passes datagrams on."""

import pytest

from mycelium.link.link import LinkState
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Entry
from mycelium.peering.leases import NO_TOKEN
from mycelium.peering.shortcuts import ShortcutFailed
from mycelium.wire.lease import LEASE_BIND, LeaseAnswer, LeaseState
from sim.net.node_net import NodeNet
from tests.node.test_shortcuts import HARD, HERE, OTHER_RELAY, RELAY, THERE, chat, is_direct, relayed
from tests.support.small_meshes import counter, is_up, link_of, ping, received

RELAYS = (RELAY, OTHER_RELAY)
HEALED_S = 1.0


def hard_pair(*, offering: tuple[str, ...] = RELAYS, seed: int = 0, jitter_s: float = 0.0) -> NodeNet:
    """Returns two nodes behind NATs that let nothing through directly, with two relays, some of which give leases."""
    net = relayed(HARD, HARD, seed=seed, jitter_s=jitter_s)
    for relay in offering:
        net.hosts[relay].node.leasing.given.is_offered = True
    return net


def events(net: NodeNet, name: str) -> list[Entry]:
    return [one for one in net.hosts[name].node.journal.after(0) if one.kind.value.startswith("lease")]


def leases(net: NodeNet) -> dict[str, int]:
    """Returns how many leases each running relay gives."""
    return {relay: len(net.hosts[relay].node.leasing.given.by_number) for relay in RELAYS if relay in net.hosts}


def lessor(net: NodeNet) -> str:
    [relay] = [relay for relay, count in leases(net).items() if count]
    return relay


def lossless(net: NodeNet, sent: list[bytes]) -> bool:
    net.run(1)
    return sorted(received(net, HERE) + received(net, THERE)) == sorted(sent)


def test_two_ends_behind_hard_nats_get_a_link_across_one_leased_port_and_nothing_is_lost() -> None:
    net = hard_pair()
    sent = chat(net, 4)
    assert is_direct(net)
    assert sorted(leases(net).values()) == [0, 1]
    assert lossless(net, sent)
    relay = lessor(net)
    [given] = events(net, relay)
    assert given.kind is EventKind.LEASE_GIVEN
    assert {given.node, given.after} == {net.hosts[HERE].address, net.hosts[THERE].address}
    assert counter(net, relay, "leases_given") == 1
    for name, other in ((HERE, THERE), (THERE, HERE)):
        link = link_of(net, name, other)
        assert (link.paths.active.endpoint.host, link.paths.active.endpoint.port) == (relay, given.count)
        assert [one.kind for one in events(net, name)] == [EventKind.LEASE_USED]
        assert events(net, name)[0].after == net.hosts[relay].address
        assert net.hosts[name].node.outside.view.mapping.value == "endpoint-dependent"
        assert net.hosts[other].address not in net.hosts[name].node.exchange._talks  # nobody is told of that endpoint
        assert all(address.host != relay for address in net.hosts[name].node.outside.view.addresses)


def test_a_lease_is_renewed_while_it_has_traffic_and_over_when_it_has_none() -> None:
    net = hard_pair()
    chat(net, 4)
    sent = chat(net, 60, every_s=0.5)
    assert is_direct(net)
    relay = lessor(net)
    assert sent
    net.run(150)
    assert leases(net) == {RELAY: 0, OTHER_RELAY: 0}
    assert link_of(net, HERE, RELAY).state is LinkState.UP
    assert not is_direct(net)
    over = events(net, relay)[-1]
    assert over.kind is EventKind.LEASE_OVER
    assert "datagrams" in (over.cause or "")
    assert counter(net, relay, "lease_datagrams") > 100
    assert chat(net, 1)
    assert sum(map(len, (received(net, HERE), received(net, THERE)))) > len(sent)


@pytest.mark.parametrize("seed", range(6))
def test_a_leased_link_is_used_although_jitter_makes_it_seem_longer_than_the_way_over_relays(seed: int) -> None:
    net = hard_pair(seed=seed, jitter_s=0.005)
    chat(net, 4)
    assert is_direct(net)
    net.stop(lessor(net))
    chat(net, 10)
    assert is_direct(net)


def test_a_relay_that_refuses_gives_way_to_the_next_one() -> None:
    for offering in RELAYS:
        net = hard_pair(offering=(offering,))
        chat(net, 4)
        assert is_direct(net)
        assert lessor(net) == offering


def test_without_any_relay_that_gives_leases_the_ends_are_told_and_go_on_over_relays() -> None:
    net = hard_pair(offering=())
    sent = chat(net, 4)
    assert not is_direct(net)
    assert lossless(net, sent)
    for name in (HERE, THERE):
        told = [(one.after, one.cause) for one in events(net, name)]
        assert len(told) == len(set(told)) <= len(RELAYS)
        assert {cause for _, cause in told} == {"the relay gives no leases"}


@pytest.mark.parametrize("says_goodbye", [False, True])
def test_a_relay_that_dies_under_a_lease_costs_as_little_as_any_other_and_is_replaced(says_goodbye: bool) -> None:
    net = hard_pair()
    chat(net, 6)
    relay = lessor(net)
    [other] = [name for name in RELAYS if name != relay]
    net.stop(relay, says_goodbye=says_goodbye)
    chat(net, HEALED_S)
    before = len(received(net, HERE)) + len(received(net, THERE))
    assert len(chat(net, 2)) > 0
    net.run(0.5)
    assert len(received(net, HERE)) + len(received(net, THERE)) - before >= 40
    chat(net, 6)
    assert is_direct(net)
    assert lessor(net) == other


def test_an_end_whose_nat_maps_it_anew_binds_its_new_address() -> None:
    net = hard_pair()
    chat(net, 6)
    relay = lessor(net)
    nat = net.hosts[HERE].nat
    assert nat is not None
    nat.forget()
    chat(net, HEALED_S)
    net.run(1)
    assert counter(net, relay, "lease_addresses_moved") >= 1
    link = link_of(net, HERE, THERE)
    assert (link.state, link.paths.active.endpoint.host) == (LinkState.UP, relay)
    assert lessor(net) == relay


def test_nobody_asks_or_agrees_where_shortcuts_are_switched_off() -> None:
    net = hard_pair()
    net.hosts[THERE].settings = net.hosts[RELAY].settings.__class__(
        suites=net.hosts[THERE].settings.suites, shortcuts=False
    )
    net.restart(THERE)
    chat(net, 6)
    assert not is_direct(net)
    assert leases(net) == {RELAY: 0, OTHER_RELAY: 0}


def test_a_relay_whose_leased_ports_nobody_reaches_gives_way_to_the_next_one() -> None:
    net = hard_pair()
    blocked: list[str] = []

    def drop(sender: str, receiver: str, data: bytes) -> bool:
        if data[0] == LEASE_BIND and not blocked:
            blocked.append(receiver)
        return data[0] == LEASE_BIND and receiver in blocked

    net.drop = drop
    chat(net, 6)
    assert not is_direct(net)
    chat(net, 12)
    assert is_direct(net)
    assert [lessor(net)] == [relay for relay in RELAYS if relay not in blocked]
    for name in (HERE, THERE):
        assert [one.cause for one in events(net, name)][:1] == ["the relay has ended it"]


def test_a_malicious_relay_or_neighbour_makes_a_node_ask_for_nothing_it_does_not_want() -> None:
    net = hard_pair()
    here, there, relay = (net.hosts[name] for name in (HERE, THERE, RELAY))
    invitation = LeaseAnswer(there.address, NO_TOKEN, LeaseState.WANTED)
    granted = LeaseAnswer(there.address, b"none", LeaseState.GRANTED, 53, b"s" * 16)
    link_of(net, RELAY, HERE).send_items([invitation, granted, granted], now=net.now)
    net.drain(RELAY)
    net.run(1)
    assert here.node.leasing.held.relay_for(there.address) is None
    assert counter(net, RELAY, "leases_refused") == 0
    assert counter(net, HERE, "leases_opened") == 0
    assert relay.node.leasing.given.by_number == {}


def no_shortcut(net: NodeNet, one: str, other: str, relays: tuple[str, ...] = RELAYS) -> None:
    """Has one end, and no other, find out that there is no direct way."""
    common = tuple(net.hosts[relay].address for relay in relays if relay in net.hosts)
    failed = ShortcutFailed(net.hosts[other].address, "", common)
    net.hosts[one].running.act(net.hosts[one].node.shortcuts.on_failure, failed)


@pytest.mark.parametrize(("one", "other"), [(HERE, THERE), (THERE, HERE)])
def test_an_end_that_has_noticed_nothing_agrees_to_what_the_other_one_asks_for(one: str, other: str) -> None:
    net = hard_pair()
    ping(net, one, other)
    net.run(0.3)
    no_shortcut(net, one, other)
    net.run(1, until=lambda: any(leases(net).values()))
    net.run(1, until=lambda: has_link(net, one, other) and has_link(net, other, one))


def has_link(net: NodeNet, one: str, other: str) -> bool:
    link = net.hosts[one].node.links.get(net.hosts[other].address)
    return link is not None and link.state is LinkState.UP


def test_ends_that_reach_a_relay_by_different_versions_of_ip_get_no_lease() -> None:
    one, other = "192.0.2.1", "2001:db8::2"
    net = NodeNet()
    for name in (one, other, RELAY):
        net.add(name, shortcuts=True)
    net.hosts[RELAY].node.leasing.given.is_offered = True
    for name in (one, other):
        net.join(name, RELAY)
    net.run(5, until=lambda: is_up(net, one, RELAY) and is_up(net, other, RELAY))
    net.run(1)
    ping(net, one, other)
    net.run(0.2)
    no_shortcut(net, one, other)
    net.run(1)
    assert [entry.cause for entry in events(net, one)] == [
        "not both ends reach the relay by UDP over the same of IPv4 and IPv6"
    ]
    assert leases(net) == {RELAY: 0}


@pytest.mark.parametrize("first", RELAYS)
def test_if_both_ask_different_relays_that_of_the_lower_address_counts(first: str) -> None:
    net = hard_pair()
    lower, higher = sorted((HERE, THERE), key=lambda name: net.hosts[name].address)
    [second] = [relay for relay in RELAYS if relay != first]
    ping(net, lower, higher)
    net.run(0.3)
    no_shortcut(net, lower, higher, (first,))
    no_shortcut(net, higher, lower, (second,))
    net.run(2, until=lambda: has_link(net, lower, higher) and has_link(net, higher, lower))
    assert lessor(net) == first
    for name, other in ((lower, higher), (higher, lower)):
        assert net.hosts[name].node.leasing.held.relay_for(net.hosts[other].address) == net.hosts[first].address


def test_a_relay_whose_lease_was_of_no_use_is_asked_last() -> None:
    net = hard_pair()
    chat(net, 4)
    used = lessor(net)
    [other] = [relay for relay in RELAYS if relay != used]
    for relays in (RELAYS, (used,)):  # the second failure finds a request that is not answered yet
        no_shortcut(net, HERE, THERE, relays)
        assert net.hosts[HERE].node.leasing.held.relay_for(net.hosts[THERE].address) == net.hosts[other].address
