"""Nodes on one link find each other by beacons: hosts named by their link-local addresses, in virtual time."""

from collections.abc import Iterable
from ipaddress import IPv6Address
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.endpoint import Endpoint
from mycelium.identity import blake2b
from mycelium.limits import DISCOVERED_PEERS, DISCOVERED_PER_ADDRESS, NEWCOMERS_PER_SECOND
from mycelium.link.link import LinkState
from mycelium.mapped_address import in_16_bytes
from mycelium.peering.discovery import FIRST_WAIT_S, FORGET_S, HESITATION_S, INTERVAL_S, LEAST_GAP_S, SIMULTANEOUS_S
from mycelium.wire.beacon import BEACON_KEY_LABEL, Beacon, encode_beacon, tagged_bytes
from mycelium.wire.datagram import HANDSHAKE_1
from sim.net.network import DISCOVERY_PORT, PORT, url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import is_up, is_whole, reaches

A, B, C = "fe80::a", "fe80::b", "fe80::c"
BURST = 3  # beacons at the start


def lan(names: Iterable[str], *, seed: int = 0, pktinfo: bool = False) -> NodeNet:
    """Returns hosts that are joined by wires and know nobody; none discovers yet."""
    net = NodeNet(seed, pktinfo=pktinfo)
    for name in names:
        net.add(name)
    for one, other in combinations(names, 2):
        net.connect(one, other)
    return net


def discover(net: NodeNet, *names: str) -> None:
    for name in names:
        net.hosts[name].node.start_discovery(PORT, now=net.now)
        net.drain(name)
        net.hosts[name].node.handle_timeout(now=net.now)
        net.drain(name)


def linked(net: NodeNet, one: str, other: str) -> bool:
    return all(
        net.hosts[there].address in net.hosts[here].node.links and is_up(net, here, there)
        for here, there in ((one, other), (other, one))
    )


def dials(net: NodeNet) -> list[tuple[str, str]]:
    """Returns who sent a first handshake message to whom, those sent again left out."""
    assert net.capture is not None
    firsts = {
        data[8:40]: (sender, receiver) for sender, receiver, data in net.capture if data[0] == HANDSHAKE_1
    }  # by `e`
    return list(firsts.values())


def besides_beacons(net: NodeNet) -> list[bytes]:
    """Returns what was sent to one receiver alone."""
    assert net.capture is not None
    return [data for _, _, data in net.capture if not data.startswith(b"mycelium")]


def beacon_times(net: NodeNet, sender: str, receiver: str) -> list[float]:
    """Returns a list that the times of beacons on one wire will be put into."""
    times: list[float] = []

    def watch(one: str, other: str, data: bytes) -> bool:
        if (one, other) == (sender, receiver) and data.startswith(b"mycelium"):
            times.append(net.now)
        return False

    net.drop = watch
    return times


def forged(source: str, *, instance: bytes = bytes(16), port: int = PORT, psk: bytes = bytes(32)) -> bytes:
    """Returns the beacon that anybody who has the network's key can make."""
    bare = Beacon(port, instance)
    key = blake2b(BEACON_KEY_LABEL + psk + bytes(8), size=32)
    return encode_beacon(
        Beacon(port, instance, blake2b(tagged_bytes(encode_beacon(bare), in_16_bytes(source)), size=16, key=key))
    )


def hear(net: NodeNet, receiver: str, source: str, data: bytes, *, interface: int = 0) -> None:
    net.hosts[receiver].node.beacon_received(data, Endpoint("udp", source, DISCOVERY_PORT, interface), now=net.now)
    net.drain(receiver)


def stranger_at_b(*, cut: bool = False) -> NodeNet:
    """Returns a host that discovers, its own first beacons long sent, and another one that calls as the test has it call."""
    net = lan([A, B])
    discover(net, A)
    net.run(60)
    if cut:
        net.cut(A, B)
    net.capture = []
    return net


def cut_until_it_rests(net: NodeNet) -> None:
    """Cuts the link, and waits for a moment in which its own dialling pauses and its last beacon is forgotten."""
    net.cut(A, B)
    net.run(20)
    node, endpoint = net.hosts[A].node, net.hosts[B].endpoint
    net.run(
        20, until=lambda: endpoint not in node.dialler.remotes() and net.now > node.discovery._sent_at + SIMULTANEOUS_S
    )
    net.capture = []


# -- finding each other ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_three_nodes_on_a_link_form_a_mesh(seed: int) -> None:
    net = lan([A, B, C], seed=seed)
    discover(net, A, B, C)
    assert net.run(5, until=lambda: is_whole(net)) < 0.2
    net.run(3)
    assert all(linked(net, one, other) for one, other in combinations([A, B, C], 2))


@pytest.mark.parametrize("seed", range(4))
def test_of_two_that_start_together_one_dials(seed: int) -> None:
    net = lan([A, B], seed=seed)
    net.capture = []
    discover(net, A, B)
    net.run(100)
    assert linked(net, A, B)
    assert len(dials(net)) == 1


def test_a_newcomer_is_dialled_at_once() -> None:
    net = lan([A, B])
    discover(net, A)
    net.run(10)
    net.capture = []
    discover(net, B)
    assert net.run(1, until=lambda: linked(net, A, B)) < 0.05
    net.run(100)
    assert dials(net) == [(A, B)]


@pytest.mark.parametrize("deaf", [A, B])
def test_where_one_does_not_hear_the_other_dials(deaf: str) -> None:
    net = lan([A, B])
    net.drop = lambda sender, receiver, data: receiver == deaf and data.startswith(b"mycelium")
    discover(net, A, B)
    assert net.run(5, until=lambda: linked(net, A, B)) < HESITATION_S + 0.1


def test_first_beacons_that_are_lost_delay_little() -> None:
    net = lan([A, B])
    started = net.now
    net.drop = lambda sender, receiver, data: data.startswith(b"mycelium") and net.now < started + 0.1
    discover(net, A, B)
    assert net.run(5, until=lambda: linked(net, A, B)) < 1


def test_a_neighbour_without_ipv6_is_dialled_at_its_ipv4_address() -> None:
    net = NodeNet()
    net.add("192.0.2.1")
    net.add("192.0.2.2")
    net.connect("192.0.2.1", "192.0.2.2")
    net.hosts["192.0.2.1"].node.start_discovery(PORT, now=net.now)
    hear(net, "192.0.2.1", "192.0.2.2", forged("192.0.2.2"), interface=7)
    assert list(net.hosts["192.0.2.1"].node.discovery.by_endpoint) == [Endpoint("udp", "192.0.2.2", PORT)]
    assert net.run(1, until=lambda: linked(net, "192.0.2.1", "192.0.2.2")) < 0.05


def test_a_neighbour_that_is_a_configured_peer_too_is_one_link_with_two_paths() -> None:
    net = lan([A, B], pktinfo=True)
    net.add_address(B, "fd00::b")
    net.add_peer(A, url_of("fd00::b"))
    discover(net, A, B)
    net.run(100)
    (link,) = net.hosts[A].node.links.values()
    assert sorted(path.endpoint.host for path in link.paths) == ["fd00::b", B]
    assert linked(net, A, B)


# -- who is not found --------------------------------------------------------------------------------------------------


def test_a_node_that_does_not_discover_neither_calls_nor_answers() -> None:
    net = lan([A, B])
    net.capture = []
    times = beacon_times(net, B, A)
    discover(net, A)
    net.run(100)
    assert times == []
    assert dials(net) == []
    assert net.hosts[B].node.metrics.values()["beacons_accepted"] == 0


def test_nodes_of_different_networks_send_each_other_nothing() -> None:
    net = NodeNet()
    net.add(A, psk=b"1" * 32)
    net.add(B, psk=b"2" * 32)
    net.connect(A, B)
    net.capture = []
    discover(net, A, B)
    net.run(100)
    assert besides_beacons(net) == []
    assert net.hosts[A].node.metrics.values()["beacons_forged"] >= BURST


def test_a_beacon_that_is_sent_again_from_another_address_is_forged() -> None:
    net = lan([A, B])
    net.capture = []
    discover(net, A)
    hear(net, A, C, forged(B))
    net.run(5)
    assert besides_beacons(net) == []
    assert net.hosts[A].node.metrics.values()["beacons_forged"] == 1


def test_a_node_ignores_its_own_beacon_that_comes_back_by_another_interface() -> None:
    net = lan([A, B])
    net.capture = []
    discover(net, A)
    own = net.hosts[A].node.discovery.beacon(IPv6Address(B).packed)
    hear(net, A, B, own)
    net.run(5)
    assert besides_beacons(net) == []
    assert net.hosts[A].node.discovery.by_endpoint == {}


def test_a_beacon_does_not_tell_who_sends_it() -> None:
    net = lan([A])
    discover(net, A)
    identity = net.hosts[A].identity
    data = net.hosts[A].node.discovery.beacon(IPv6Address(A).packed)
    for secret in (identity.exchange_public_key, identity.signing_public_key, identity.address):
        assert not any(secret[start : start + 4] in data for start in range(len(secret) - 3))


@given(st.binary(max_size=100))
def test_bytes_that_are_no_beacon_are_counted(data: bytes) -> None:
    net = lan([A])
    discover(net, A)
    hear(net, A, B, data)
    assert net.hosts[A].node.metrics.values()["beacons_malformed"] == 1


# -- when beacons are sent ---------------------------------------------------------------------------------------------


def test_beacons_come_quickly_at_first_and_then_now_and_then() -> None:
    net = lan([A, B])
    times = beacon_times(net, A, B)
    started = net.now
    discover(net, A)
    net.run(1_000)
    gaps = [after - before for before, after in pairwise(times)]
    assert times[0] == started
    assert times[BURST - 1] < started + 3
    assert all(0.8 * INTERVAL_S <= gap <= 1.2 * INTERVAL_S for gap in gaps[BURST - 1 :])
    assert len(set(gaps)) == len(gaps)


def test_beacons_come_quickly_again_when_the_network_changes_but_not_all_the_time() -> None:
    net = lan([A, B])
    discover(net, A)
    net.run(10)
    times = beacon_times(net, A, B)
    changed = net.now
    net.hosts[A].node.network_changed(now=net.now)
    net.drain(A)
    net.run(4)
    assert times[0] == changed
    assert len(times) == BURST
    for _ in range(100):
        net.hosts[A].node.network_changed(now=net.now)
        net.drain(A)
        net.run(0.1)
    assert all(after - before >= LEAST_GAP_S - 1e-6 for before, after in pairwise(times[BURST:]))
    assert len(times) >= BURST + 9


# -- neighbours that go and come back ----------------------------------------------------------------------------------


def test_a_neighbour_that_left_is_not_dialled_and_forgotten() -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(5)
    net.close(B)
    net.capture = []
    net.run(FORGET_S + 20)
    assert dials(net) == []
    assert net.hosts[A].node.discovery.by_endpoint == {}


def test_a_neighbour_is_remembered_as_long_as_its_link_lives() -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(5)
    net.drop = lambda sender, receiver, data: data.startswith(b"mycelium")
    net.run(3 * FORGET_S)
    assert [endpoint.host for endpoint in net.hosts[A].node.discovery.by_endpoint] == [B]
    assert linked(net, A, B)


def test_a_restarted_neighbour_is_greeted_though_its_link_seems_to_be_up() -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(50)
    net.restart(B)
    net.drop = lambda sender, receiver, data: receiver == B and data.startswith(b"mycelium")  # only A can dial
    discover(net, B)
    back = net.run(5, until=lambda: linked(net, A, B) and reaches(net, A, B) and reaches(net, B, A))
    assert back < 0.1
    net.capture = []
    net.run(10 * INTERVAL_S)
    assert dials(net) == []


@pytest.mark.parametrize("pause", [30, 150, 400])
def test_after_a_cut_the_next_beacon_brings_the_link_back(pause: float) -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(5)
    net.cut(A, B)
    net.run(pause)
    assert not linked(net, A, B)
    net.mend(A, B)
    assert net.run(100, until=lambda: linked(net, A, B)) < 1.2 * INTERVAL_S


def test_who_is_heard_while_its_link_is_down_is_dialled_at_once() -> None:
    net = stranger_at_b()
    hear(net, A, B, forged(B))
    net.run(5, until=lambda: linked(net, A, B))
    cut_until_it_rests(net)
    assert net.hosts[A].node.links[net.hosts[B].address].state is LinkState.DOWN
    hear(net, A, B, forged(B))
    assert dials(net) == [(A, B)]


def test_who_calls_and_never_answers_is_dialled_ever_more_rarely() -> None:
    net = lan([A, B])
    net.drop = lambda sender, receiver, data: receiver == B
    net.capture = []
    discover(net, A, B)
    net.run(7_200)
    calls = [pair for pair in dials(net) if pair == (A, B)]
    assert 10 < len(calls) < 25


def test_who_is_being_dialled_is_not_dialled_again() -> None:
    net = stranger_at_b(cut=True)
    hear(net, A, B, forged(B))
    net.run(5.5)
    hear(net, A, B, forged(B))
    assert dials(net) == [(A, B)]


def test_who_is_silent_is_not_dialled_because_of_an_earlier_beacon() -> None:
    net = stranger_at_b(cut=True)
    for pause in (10, 25, 1):
        hear(net, A, B, forged(B))
        net.run(pause)
    before = len(dials(net))
    hear(net, A, B, forged(B))
    net.run(60)
    assert len(dials(net)) == before == 3


def test_who_did_not_answer_for_long_is_dialled_soon_after_it_has_restarted() -> None:
    net = stranger_at_b(cut=True)
    for _ in range(60):
        hear(net, A, B, forged(B))
        net.run(INTERVAL_S)
    net.mend(A, B)
    hear(net, A, B, forged(B, instance=b"2" * 16))
    assert net.run(20, until=lambda: linked(net, A, B)) < FIRST_WAIT_S


def test_a_link_that_came_about_ends_the_patience_that_many_dials_in_vain_had_taught() -> None:
    net = stranger_at_b(cut=True)
    for _ in range(60):
        hear(net, A, B, forged(B))
        net.run(INTERVAL_S)
    net.mend(A, B)
    net.add_peer(B, f"udp://{A}:{PORT}")
    net.run(20)
    assert linked(net, A, B)
    cut_until_it_rests(net)
    hear(net, A, B, forged(B))
    assert dials(net) == [(A, B)]


# -- why there is no link ----------------------------------------------------------------------------------------------


def last_causes(net: NodeNet, name: str) -> list[tuple[str, str]]:
    [peer] = net.hosts[name].node.snapshot(now=net.now).peers
    return [(str(endpoint), cause) for endpoint, cause in peer.failures]


def test_why_a_discovered_neighbour_has_no_link_is_told_until_it_has_one() -> None:
    net = stranger_at_b(cut=True)
    hear(net, A, B, forged(B))
    net.run(8)
    [(endpoint, cause)] = last_causes(net, A)
    assert (endpoint, cause[:9]) == (f"udp://[{B}]:{PORT}", "no answer")
    net.mend(A, B)
    hear(net, A, B, forged(B))
    net.run(5, until=lambda: linked(net, A, B))
    assert last_causes(net, A) == []
    cut_until_it_rests(net)
    assert f"udp://[{B}]:{PORT}" in dict(last_causes(net, A))


# -- floods ------------------------------------------------------------------------------------------------------------


def address(number: int) -> str:
    return f"fe80::1:{number:x}"


def flood(net: NodeNet, numbers: Iterable[int], *, pause: float, interface: int = 0) -> None:
    """Has A hear beacons of made-up neighbours."""
    for number in numbers:
        source = address(number)
        hear(net, A, source, forged(source, instance=number.to_bytes(16, "big")), interface=interface)
        net.run(pause)


def dialled_in_vain(net: NodeNet) -> int:
    return net.hosts[A].node.metrics.values()["handshakes_given_up"]


def test_a_flood_of_made_up_neighbours_costs_a_bounded_table_and_few_dials() -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(5)
    flood(net, range(5_000), pause=0.001)
    discovery = net.hosts[A].node.discovery
    assert len(discovery.by_endpoint) == DISCOVERED_PEERS
    assert discovery.counters.beacons_refused == 5_000 - (DISCOVERED_PEERS - 1)
    assert linked(net, A, B)
    net.run(FORGET_S + 20)
    assert len(discovery.by_endpoint) == 1
    assert dialled_in_vain(net) == DISCOVERED_PEERS - 1


def test_churn_of_made_up_neighbours_pushes_out_none_with_a_link_and_is_dialled_at_a_bounded_rate() -> None:
    net = lan([A, B])
    discover(net, A, B)
    net.run(5)
    flood(net, range(1_200), pause=0.1)
    discovery = net.hosts[A].node.discovery
    assert len(discovery.by_endpoint) == DISCOVERED_PEERS
    assert B in {endpoint.host for endpoint in discovery.by_endpoint}
    assert linked(net, A, B)
    net.run(10)
    dialled = dialled_in_vain(net)
    assert DISCOVERED_PEERS < dialled <= DISCOVERED_PEERS + 120 * NEWCOMERS_PER_SECOND
    net.run(100)
    assert dialled_in_vain(net) == dialled


def test_a_newcomer_is_dialled_among_made_up_ones_that_come_slowly() -> None:
    net = lan([A, C])
    discover(net, A)
    flood(net, range(DISCOVERED_PEERS), pause=0.5)
    hear(net, A, C, forged(C))
    assert net.run(1, until=lambda: linked(net, A, C)) < 0.05


def test_a_flood_on_one_interface_takes_nothing_from_another() -> None:
    net = lan([A, C])
    discover(net, A)
    flood(net, range(1_000), pause=0.01, interface=7)
    endpoint = Endpoint("udp", C, PORT)
    hear(net, A, C, forged(C))
    assert endpoint in net.hosts[A].node.discovery.by_endpoint
    assert net.run(1, until=lambda: linked(net, A, C)) < 0.05


def test_one_address_has_a_share_of_the_neighbours_only() -> None:
    net = lan([A, B])
    discover(net, A)
    net.cut(A, B)
    for port in range(1, 50):
        hear(net, A, B, forged(B, instance=port.to_bytes(16, "big"), port=port))
    assert len(net.hosts[A].node.discovery.by_endpoint) == DISCOVERED_PER_ADDRESS


def test_made_up_restarts_of_one_neighbour_draw_ever_fewer_dials() -> None:
    net = lan([A, B])
    discover(net, A)
    net.capture = []
    for number in range(3_000):
        hear(net, A, B, forged(B, instance=number.to_bytes(16, "big")))
        net.run(0.1)
    assert len(dials(net)) <= 8
    assert net.hosts[A].node.discovery.counters.beacons_refused >= 2_990
    assert linked(net, A, B)
