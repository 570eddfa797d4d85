"""Several transports to one neighbour: the best that passes is used, the next takes over, and the better one gets it back."""

import pytest

from mycelium.link.link import LinkState
from mycelium.link.path.choice import QUICKER_FOR_S
from mycelium.node.snapshot import PeerState
from mycelium.peering.configured import FALLBACK_AFTER_S
from mycelium.wire.datagram import HANDSHAKE_1
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.small_meshes import (
    deliver,
    is_up,
    is_whole,
    link_of,
    ping,
    ping_until_answered,
    received,
)

JOINED_S = 2.0
BACK_S = 30.0
HEALED_S = 0.25  # beyond one round trip
ROUND_TRIP_S = 0.01
ANY, UDP, TCP = "", "udp", "tcp"


def pair(*schemes: str, blocked: tuple[str, ...] = (), seed: int = 0) -> NodeNet:
    """Returns the hosts a and b, which a has in its peer list by these schemes."""
    net = NodeNet(seed)
    for name in "ab":
        net.add(name)
    net.connect("a", "b", ROUND_TRIP_S / 2)
    for scheme in blocked:
        net.block(scheme, "a", "b")
    net.capture = []
    for scheme in schemes:
        net.add_peer("a", url_of("b", scheme))
    return net


def used(net: NodeNet) -> set[str]:
    """Returns by which transports the two send to each other."""
    return {link_of(net, *ends).paths.active.endpoint.scheme for ends in ("ab", "ba")}


def known(net: NodeNet) -> set[str]:
    return {path.endpoint.scheme for path in link_of(net, "a", "b").paths}


def pings_lost(net: NodeNet, seconds: float) -> tuple[int, float]:
    """Sends pings both ways, one each 10 ms; returns how many were lost, and the longest time without one from a to b."""
    sent: dict[str, list[bytes]] = {"a": [], "b": []}
    for _ in range(round(seconds / 0.01)):
        sent["a"].append(ping(net, "a", "b"))
        sent["b"].append(ping(net, "b", "a"))
        net.run(0.01)
    net.run(0.5)
    arrived = [set(received(net, other)) for other in "ba"]
    missing = [[data not in there for data in sent[one]] for one, there in zip("ab", arrived, strict=True)]
    longest = max(len(run) for flags in missing for run in "".join("x "[not flag] for flag in flags).split(" "))
    return sum(map(sum, missing)), longest * 0.01


def first_messages(net: NodeNet) -> int:
    assert net.capture is not None
    return sum(data[0] == HANDSHAKE_1 for _, _, data in net.capture)


# -- a peer without a scheme -------------------------------------------------------------------------------------------


def test_where_udp_passes_nothing_else_is_tried() -> None:
    net = pair(ANY)
    net.run(JOINED_S, until=lambda: is_up(net, "a", "b"))
    net.run(60)
    assert known(net) == used(net) == {UDP}
    assert first_messages(net) == 1


@pytest.mark.parametrize("seed", range(3))
def test_where_udp_is_blocked_the_link_is_up_over_tcp_and_moves_to_udp_when_that_passes(seed: int) -> None:
    net = pair(ANY, blocked=(UDP,), seed=seed)
    assert net.run(JOINED_S, until=lambda: is_whole(net)) < FALLBACK_AFTER_S + 0.25
    peer = net.hosts["a"].node.peers.by_url[url_of("b", ANY)]
    net.run(400 + 7 * seed)
    assert used(net) == {TCP}
    assert peer.is_linked
    assert not peer.failures
    net.unblock(UDP, "a", "b")
    lost, _ = pings_lost(net, BACK_S)
    assert lost == 0
    assert used(net) == {UDP}
    assert not [entry for entry in net.hosts["a"].deaths]


def test_attempts_for_a_better_transport_are_paced() -> None:
    net = pair(ANY, blocked=(UDP,))
    net.run(600)
    net.capture = []
    net.run(600)
    starts = {data[8:40] for _, _, data in net.capture if data[0] == HANDSHAKE_1}  # by `e`
    assert 600 / BACK_S <= len(starts) <= 600 / 20 + 4  # attempts, and some for new keys


def test_where_all_is_blocked_both_causes_are_told() -> None:
    net = pair(ANY, blocked=(UDP, TCP))
    net.run(8)
    peer = net.hosts["a"].node.peers.by_url[url_of("b", ANY)]
    (udp, udp_cause), (tcp, tcp_cause) = peer.failures.causes()
    assert (str(udp), str(tcp)) == ("udp://b:9651", "tcp://b:9651")
    assert udp_cause.startswith("no answer (nothing is there, UDP is blocked on the way")
    assert tcp_cause.startswith("it accepts connections, but gives no answer")


def test_where_udp_begins_to_be_blocked_tcp_is_dialled_before_the_link_is_down() -> None:
    net = pair(ANY)
    net.run(5)
    deliver(net, "a", "b")
    net.at(net.now + 1.0, lambda: net.block(UDP, "a", "b"))
    _, outage_s = pings_lost(net, 4.0)
    assert outage_s < HEALED_S + 3 * ROUND_TRIP_S
    assert used(net) == {TCP}
    assert not net.hosts["a"].deaths
    net.unblock(UDP, "a", "b")
    lost, _ = pings_lost(net, BACK_S)
    assert (lost, used(net)) == (0, {UDP})


def test_a_link_that_is_lost_over_udp_is_back_over_tcp() -> None:
    net = pair(ANY)
    net.run(5)
    net.block(UDP, "a", "b")
    net.block(TCP, "a", "b")
    net.run(10)
    assert link_of(net, "a", "b").state is LinkState.DOWN
    net.unblock(TCP, "a", "b")
    net.run(12, until=lambda: is_up(net, "a", "b"))
    net.unblock(UDP, "a", "b")
    net.run(BACK_S)
    assert used(net) == {UDP}


# -- one neighbour by several entries ----------------------------------------------------------------------------------


def test_each_entry_becomes_a_path_of_the_one_link_and_the_best_is_used() -> None:
    net = pair("wss", "tls", TCP, UDP)
    net.run(2 + QUICKER_FOR_S + 5)
    assert known(net) == {"udp", "tcp", "tls", "wss"}
    assert used(net) == {UDP}
    assert len(net.hosts["a"].node.links) == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_next_best_takes_over_within_the_bounds_of_healing_and_gives_back_without_loss(seed: int) -> None:
    net = pair(UDP, TCP, "tls", seed=seed)
    net.run(10)
    assert used(net) == {UDP}
    for cut, next_best in ((UDP, TCP), (TCP, "tls")):
        net.at(net.now + 1.0, lambda cut=cut: net.block(cut, "a", "b"))  # type: ignore[misc]
        _, outage_s = pings_lost(net, 3.0)
        assert outage_s < HEALED_S + ROUND_TRIP_S
        assert used(net) == {next_best}
    for better in (TCP, UDP):
        net.unblock(better, "a", "b")
        lost, _ = pings_lost(net, BACK_S / 2)
        assert (lost, used(net)) == (0, {better})
    assert not net.hosts["a"].deaths


@pytest.mark.parametrize("schemes", [(UDP,), (UDP, TCP), (UDP, TCP, "tls", "wss")])
def test_a_cable_that_carries_all_transports_is_cut_and_routes_change_as_soon_as_with_one(
    schemes: tuple[str, ...],
) -> None:
    net = NodeNet()
    for name in "abcd":
        net.add(name)
    for one, other in ("ab", "bc", "cd", "da"):
        net.connect(one, other, 0.0005)
        for scheme in schemes:
            net.add_peer(one, url_of(other, scheme))
    net.run(15)
    for _ in range(100):
        ping(net, "a", "b")
        net.run(0.01)
    net.cut("a", "b")
    assert ping_until_answered(net, "a", "b", within=2.0) < 0.14


def test_an_entry_of_the_neighbour_that_is_reached_otherwise_is_alive_and_says_what_fails() -> None:
    net = pair(UDP, TCP, blocked=(UDP,))
    net.run(30)
    peers = net.hosts["a"].node.snapshot(now=net.now).peers
    assert [(peer.state, peer.url) for peer in peers] == [
        (PeerState.ALIVE, url_of("b", scheme)) for scheme in (UDP, TCP)
    ]
    assert all(peer.link is not None and peer.link.paths[0].endpoint.scheme == TCP for peer in peers)
    endpoint, cause = peers[0].failures[0]
    assert (str(endpoint), cause[:9]) == ("udp://b:9651", "no answer")
    assert peers[0].next_attempt is not None
    assert peers[1].failures == ()
    net.stop("b")
    net.run(30)
    assert {peer.state for peer in net.hosts["a"].node.snapshot(now=net.now).peers} <= {
        PeerState.DEAD,
        PeerState.CONNECTING,
    }


@pytest.mark.parametrize("seed", range(3))
def test_an_entry_that_was_blocked_from_the_start_becomes_the_path_in_use_when_it_passes(seed: int) -> None:
    net = pair(UDP, TCP, blocked=(UDP,), seed=seed)
    net.run(JOINED_S, until=lambda: is_whole(net))
    net.run(400 + 7 * seed)
    net.unblock(UDP, "a", "b")
    lost, _ = pings_lost(net, BACK_S)
    assert (lost, used(net)) == (0, {UDP})


def test_spare_paths_cost_an_idle_link_little() -> None:
    nets = [pair(UDP), pair(UDP, TCP)]
    for net in nets:
        net.run(30)
        net.capture = []
        net.run(100)
    alone, both = (sum(len(data) + 48 for _, _, data in net.capture or ()) for net in nets)
    assert both - alone < 100 * 125  # 1 kbit/s
