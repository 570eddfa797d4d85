"""Links over bad wires: loss, reordering, doubling, cuts, new keys, new addresses, several paths, and what size they carry."""

from collections.abc import Callable
from math import inf
from random import Random

import pytest

from mycelium.channel.keypair import IDLE_KEPT_S, REJECT_AFTER_S, REKEY_AFTER_S, RESPONDER_REKEYS_LATER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.endpoint import Endpoint, Lost, remote_of
from mycelium.limits import DATAGRAM_FLOOR, FRAME_PLAINTEXT, NARROW_DATAGRAM, PATHS_PER_LINK
from mycelium.link.causes import KEYS_TOO_OLD
from mycelium.link.events import LinkSuspected
from mycelium.link.keypair import MESSAGE_3_AGAIN_S
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import Role
from mycelium.node.event_kind import EventKind
from mycelium.wire.control import RouteRequest
from mycelium.wire.datagram import CHUNK, FRAME, HANDSHAKE_3
from mycelium.wire.frame import (
    CLOSE,
    CLOSE_LEAVING,
    FRAME_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    REPAIR,
    ProbeFields,
    write_probe,
)
from sim.net.network import PORT, UNDERLAY_OVERHEAD, url_of
from sim.net.node_net import NodeNet
from tests.link.lab import DELAY_S, LinkLab, endpoint
from tests.support.small_meshes import (
    deliver,
    is_up,
    link_of,
    ping,
    ping_packet,
    ping_until_answered,
    reaches,
    ready_line,
    ready_pair,
    received,
)

HEADERS_BYTES = 48  # of UDP and IPv6


def frames_between(capture: list[tuple[str, str, bytes]], sender: str, receiver: str) -> list[bytes]:
    return [data for source, destination, data in capture if (source, destination) == (sender, receiver)]


def wakes_of(net: NodeNet, name: str) -> list[float]:
    """Returns a list that fills with the times at which a host's timer wakes it."""
    node = net.hosts[name].node
    wakes: list[float] = []
    handle_timeout = node.handle_timeout

    def count(*, now: float) -> None:
        wakes.append(now)
        handle_timeout(now=now)

    node.handle_timeout = count  # type: ignore[method-assign]
    return wakes


def steady_pings(net: NodeNet, source: str, destination: str, seconds: float, every: float = 0.01) -> list[bytes]:
    """Sends a ping now and then for a while; returns their data."""
    sent: list[bytes] = []
    end = net.now + seconds
    while net.now < end:
        sent.append(ping(net, source, destination))
        net.run(every)
    net.run(1)
    return sent


# -- bad wires ---------------------------------------------------------------------------------------------------------


def test_a_lossy_link_too_long_for_repair_loses_what_the_wire_loses_and_stays_up() -> None:
    net = ready_pair(0.02, seed=1)
    for wire in net.both("a", "b"):
        wire.reshape(loss=0.05)
    sent = steady_pings(net, "a", "b", 20)
    arrived = set(received(net, "b"))
    assert 0.9 < len(arrived & set(sent)) / len(sent) < 0.99
    assert net.hosts["a"].deaths == []
    assert is_up(net, "a", "b")


def test_routes_cross_a_link_that_loses_a_third() -> None:
    net = NodeNet(seed=3)
    for name in "abc":
        net.add(name)
    for one, other in ("ab", "bc"):
        net.connect(one, other)
        for wire in net.both(one, other):
            wire.reshape(loss=0.3)
        net.add_peer(one, url_of(other))
    net.run(20, until=lambda: reaches(net, "a", "c") and reaches(net, "c", "a"))


def test_reordered_frames_all_arrive_once() -> None:
    net = ready_pair(seed=2)
    for wire in net.both("a", "b"):
        wire.reshape(reorder=0.5, reorder_s=0.05)
    sent = steady_pings(net, "a", "b", 5, every=0.002)
    assert sorted(received(net, "b")[1:]) == sorted(sent)


def test_doubled_frames_arrive_once() -> None:
    net = ready_pair(seed=2)
    for wire in net.both("a", "b"):
        wire.reshape(duplicate=0.5, reorder=0.5, reorder_s=0.01)
    sent = steady_pings(net, "a", "b", 2)
    assert sorted(received(net, "b")[1:]) == sorted(sent)
    assert net.hosts["b"].node.metrics.values()["frames_not_opened"] > 0


def test_frames_of_many_datagrams_cross_in_any_order() -> None:
    net = ready_pair(seed=2)
    for wire in net.both("a", "b"):
        wire.reshape(duplicate=0.2, reorder=0.5, reorder_s=0.02)
    packets = [(ping_packet(net, "a", "b", bytes([number]) * 1300), 0, 0) for number in range(40)]
    net.send_batch("a", packets)
    net.run(1)
    assert [packet for packet, _, _ in net.hosts["b"].delivered[1:]] == [packet for packet, _, _ in packets]


@pytest.mark.parametrize(("sender", "receiver"), ["ab", "ba"])
def test_a_link_that_is_cut_one_way_is_down_at_both_ends(sender: str, receiver: str) -> None:
    net = ready_pair()
    net.wires[sender, receiver].is_open = False
    steady_pings(net, "a", "b", 1)
    net.run(5)
    assert link_of(net, "a", "b").state is LinkState.DOWN
    assert link_of(net, "b", "a").state is LinkState.DOWN
    net.wires[sender, receiver].is_open = True
    net.run(5, until=lambda: is_up(net, "a", "b") and reaches(net, "a", "b") and reaches(net, "b", "a"))


def test_a_silent_cut_is_noticed_under_traffic_in_a_quarter_of_a_second() -> None:
    net = ready_pair()
    steady_pings(net, "a", "b", 2)
    net.cut("a", "b")
    start = net.now
    while link_of(net, "a", "b").state is not LinkState.DOWN:
        ping(net, "a", "b")
        net.run(0.01)
        assert net.now < start + 0.4
    assert net.hosts["a"].link_events[-1].kind is EventKind.LINK_DOWN


@pytest.mark.parametrize("seconds", [0.3, 2, 20, 90, 700])
def test_a_link_comes_back_after_a_cut_of_any_length(seconds: float) -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(seconds)
    net.mend("a", "b")
    net.run(20, until=lambda: is_up(net, "a", "b") and reaches(net, "a", "b") and reaches(net, "b", "a"))
    deliver(net, "a", "b")


def test_a_short_cut_is_over_within_a_second_of_its_end() -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(5)
    net.mend("a", "b")
    assert net.run(5, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a")) < 1.5


def test_an_idle_node_is_quiet_and_sleeps() -> None:
    net = NodeNet(seed=4)
    for name in "abcde":
        net.add(name)
    for name in "bcde":
        net.join("a", name, 0.01)
    net.run(120)
    net.capture = []
    wakes = wakes_of(net, "a")
    net.run(600)
    for name in "bcde":
        frames = [data for ends in ("a" + name, name + "a") for data in frames_between(net.capture, *ends)]
        assert sum(len(data) + HEADERS_BYTES for data in frames) * 8 / 600 < 2_000
    assert len(wakes) / 600 < 3.5  # once a second to keep house, and each link's question every two seconds


def test_a_lone_packet_is_echoed_before_anybody_has_to_ask() -> None:
    net = ready_pair()
    steady_pings(net, "a", "b", 10, every=0.45)
    net.capture = []
    steady_pings(net, "a", "b", 10, every=0.45)
    probes = [data for sender, _, data in net.capture if sender == "a" and len(data) < 80]
    assert len(probes) < 11 + 5  # ours, every two seconds, and the answers to theirs


# -- goodbye -----------------------------------------------------------------------------------------------------------


def test_a_goodbye_takes_the_link_down_at_once() -> None:
    net = ready_pair()
    gone = net.hosts["b"].address
    net.close("b")
    net.run(0.006)
    assert [(entry.node, entry.cause) for entry in net.hosts["a"].deaths] == [(gone, "closed")]
    assert not net.hosts["a"].node.routing.forwarding.next_hop


def test_who_left_is_dialled_by_who_has_it_in_its_peer_list() -> None:
    net = ready_pair()
    net.close("b")
    net.run(10)
    net.restart("b")
    assert net.run(20, until=lambda: is_up(net, "a", "b")) < 10
    ping_until_answered(net, "a", "b", within=1)


def test_a_removed_peer_stays_away() -> None:
    net = ready_pair()
    net.hosts["a"].node.remove_peer(url_of("b"), now=net.now)
    net.drain("a")
    net.run(60)
    assert not net.hosts["a"].node.links
    assert net.hosts["b"].link_events[-1].kind is EventKind.LINK_DOWN


def test_a_peer_that_is_removed_in_the_middle_of_a_rekey_stays_away() -> None:
    net = ready_pair()
    net.run(REKEY_AFTER_S - 5)
    handshakes = net.hosts["a"].node.handshakes
    net.run(20, until=lambda: bool(handshakes._initiations))
    net.hosts["a"].node.remove_peer(url_of("b"), now=net.now)
    net.drain("a")
    net.run(60)
    assert not net.hosts["a"].node.links


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_rekey_under_traffic_loses_nothing() -> None:
    net = ready_pair()
    before = link_of(net, "a", "b").keypairs.sending
    net.run(REKEY_AFTER_S - 2)
    sent = steady_pings(net, "a", "b", 4) + steady_pings(net, "b", "a", 4)
    assert link_of(net, "a", "b").keypairs.sending is not before
    assert sorted(received(net, "b")[1:] + received(net, "a")) == sorted(sent)


def test_old_keys_are_dropped_after_a_rekey() -> None:
    net = ready_pair()
    net.run(REKEY_AFTER_S + IDLE_KEPT_S + 10)
    for one, other in ("ab", "ba"):
        link = link_of(net, one, other)
        assert list(link.keypairs.by_index) == [link.keypairs.sending.local_index]
        assert list(net.hosts[one].node.neighbours.by_index) == list(link.keypairs.by_index)


def test_a_worn_out_key_stops_the_link_until_it_has_new_keys() -> None:
    net = ready_pair()
    link = link_of(net, "a", "b")
    link.keypairs.sending.sealing.blocks = 1 << 34
    ping(net, "a", "b")
    ping(net, "b", "a")
    net.run(3, until=lambda: link.keypairs.sending.sealing.blocks < 1 << 30)
    net.run(3, until=lambda: is_up(net, "a", "b") and reaches(net, "a", "b"))
    deliver(net, "a", "b")


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pktinfo", [False, True])
@pytest.mark.parametrize("mover", ["a", "b"])
def test_a_changed_address_is_followed_within_a_round_trip(mover: str, pktinfo: bool) -> None:
    net = ready_pair(delay=0.05, pktinfo=pktinfo)
    stayer = "b" if mover == "a" else "a"
    net.move(mover, "elsewhere")
    net.run(0.21)
    assert link_of(net, stayer, mover).paths.active.endpoint.host == "elsewhere"
    assert link_of(net, stayer, mover).state is LinkState.UP
    assert deliver(net, stayer, mover, within=0.06) < 0.06
    assert deliver(net, mover, stayer, within=0.06) < 0.06
    assert [entry.kind for entry in net.hosts[mover].link_events] == [EventKind.LINK_UP]
    net.run(30)
    assert [entry.kind for entry in net.hosts[stayer].link_events] == [EventKind.LINK_UP]


def test_an_address_change_that_nobody_announces_is_followed_with_the_next_frame() -> None:
    net = ready_pair(delay=0.05)
    host = net.hosts["a"]
    net.add_address("a", "elsewhere")
    host.addresses.reverse()  # as a NAT that has forgotten its mapping
    ping(net, "a", "b")
    net.run(0.16)
    assert link_of(net, "b", "a").paths.active.endpoint.host == "elsewhere"


def test_a_copied_frame_from_elsewhere_moves_nothing() -> None:
    net = ready_pair()
    net.capture = []
    net.drop = lambda sender, receiver, data: receiver == "b"
    ping(net, "a", "b")
    net.drop = lambda sender, receiver, data: False
    net.add("thief")
    net.connect("thief", "b")
    net.inject("b", net.hosts["thief"].endpoint, net.capture[0][2])
    net.run(5)
    link = link_of(net, "b", "a")
    assert link.paths.active.endpoint.host == "a"
    net.capture = []
    net.run(30)
    assert not [data for sender, receiver, data in net.capture if receiver == "thief" and data[0] == CHUNK]


def test_addresses_kept_for_one_neighbour_are_bounded() -> None:
    net = ready_pair()
    for number in range(10):
        net.move("a", f"elsewhere{number}")
        net.run(0.5)
    for one, other in ("ab", "ba"):
        assert len(link_of(net, one, other).paths.by_endpoint) <= PATHS_PER_LINK
    deliver(net, "a", "b")


def test_an_address_that_never_answers_is_forgotten() -> None:
    net = ready_pair()
    net.capture = []
    net.drop = lambda sender, receiver, data: receiver == "b"
    ping(net, "a", "b")
    net.drop = lambda sender, receiver, data: False
    net.inject("b", Endpoint("udp", "thief", PORT), net.capture[0][2])
    assert len(link_of(net, "b", "a").paths.by_endpoint) == 2
    net.run(10)
    assert [path.endpoint.host for path in link_of(net, "b", "a").paths] == ["a"]


# -- several paths -----------------------------------------------------------------------------------------------------


def two_paths() -> NodeNet:
    """Returns a and b, where a has two addresses of b in its peer list."""
    net = ready_pair(pktinfo=True)
    net.add_address("b", "b2")
    net.add_peer("a", url_of("b2"))
    net.run(2)
    return net


def test_a_second_endpoint_becomes_a_spare_path() -> None:
    net = two_paths()
    assert len(net.hosts["a"].node.links) == 1
    assert sorted(path.endpoint.host for path in link_of(net, "a", "b").paths) == ["b", "b2"]
    assert link_of(net, "a", "b").paths.active.endpoint.host == "b"


def test_a_spare_path_takes_over_and_the_neighbour_is_never_down() -> None:
    net = two_paths()
    steady_pings(net, "a", "b", 2)
    net.cut("a", "b")
    assert ping_until_answered(net, "a", "b", within=1) < 0.2
    assert ping_until_answered(net, "b", "a", within=1) < 0.2
    assert link_of(net, "a", "b").paths.active.endpoint.host == "b2"
    for name in "ab":
        assert net.hosts[name].deaths == []


def test_of_two_paths_the_quicker_one_is_used_and_routing_is_told_its_cost() -> None:
    net = two_paths()
    for wire in net.both("a", "b"):
        wire.reshape(delay_s=0.020)
    net.run(30)
    link = link_of(net, "a", "b")
    assert link.paths.active.endpoint.host == "b2"
    assert link.cost is not None
    assert link.cost < 1_000  # 10 ms and a hop are 1,030: the other path would cost 2,030
    assert net.hosts["a"].deaths == []


def test_a_path_that_is_hardly_quicker_moves_nothing() -> None:
    net = two_paths()
    for wire in net.both("a", "b"):
        wire.reshape(delay_s=1.1 * wire.model.delay_s)
    net.run(60)
    assert link_of(net, "a", "b").paths.active.endpoint.host == "b"


def test_addresses_that_prove_nothing_do_not_push_a_spare_path_out() -> None:
    net = two_paths()
    for number in range(10):
        net.capture = []
        net.drop = lambda sender, receiver, data: receiver == "a"
        ping(net, "b", "a")
        net.drop = lambda sender, receiver, data: False
        net.inject("a", Endpoint("udp", f"thief{number}", PORT, 0, b"a"), net.capture[0][2])
    assert {"b", "b2"} < {path.endpoint.host for path in link_of(net, "a", "b").paths}
    assert len(link_of(net, "a", "b").paths.by_endpoint) == PATHS_PER_LINK


def test_links_are_bounded_and_who_comes_too_late_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    monkeypatch.setattr("mycelium.node.neighbours.LINKS", 1)
    net.add("c")
    net.join("c", "b")
    net.run(10)
    assert list(net.hosts["b"].node.links) == [net.hosts["a"].address]
    assert net.hosts["b"].node.metrics.values()["links_refused"] > 0
    assert len(net.hosts["b"].node.neighbours.by_index) == 1


@pytest.mark.parametrize("idle_s", [0, 30])
def test_a_neighbour_that_is_gone_on_all_paths_is_down_as_soon_as_on_one(idle_s: float) -> None:
    net = two_paths()
    steady_pings(net, "a", "b", 2)
    net.run(idle_s)
    net.cut("a", "b")
    net.cut("a", "b2")
    start = net.now
    while link_of(net, "a", "b").state is not LinkState.DOWN:
        ping(net, "a", "b")
        net.run(0.01)
        assert net.now < start + 0.4


# -- size --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mtu", "found"), [(65_000, 8_952), (1_472, 1_472), (1_460, 1_452), (1_232, 1_232)])
def test_a_path_grows_to_what_it_carries(mtu: int, found: int) -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    for wire in net.both("a", "b"):
        wire.reshape(mtu=mtu + UNDERLAY_OVERHEAD)
    net.add_peer("a", url_of("b"))
    net.run(20)
    for one, other in ("ab", "ba"):
        assert link_of(net, one, other).paths.active.mtu.size == found
    assert net.hosts["a"].node.links[net.hosts["b"].address].frames.budget.limit > 60_000


IPV4, IPV6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")


@pytest.mark.parametrize(
    ("hosts", "steps"),
    [
        (IPV4, (NARROW_DATAGRAM,)),
        (IPV4, (1_400, NARROW_DATAGRAM)),
        (IPV4, (DATAGRAM_FLOOR, 972)),
        (IPV6, (DATAGRAM_FLOOR,)),
        (IPV6, (1_400, DATAGRAM_FLOOR)),
    ],
    ids=str,
)
def test_a_path_that_narrows_under_traffic_carries_packets_again_within_a_second_each_time(
    hosts: tuple[str, str], steps: tuple[int, ...]
) -> None:
    net, (one, other) = NodeNet(), hosts
    for host in hosts:
        net.add(host)
    net.join(one, other)
    net.run(10)
    deliver(net, one, other)
    for carries in steps:
        assert link_of(net, one, other).paths.active.mtu.size > carries
        for wire in net.both(one, other):
            wire.reshape(mtu=carries + UNDERLAY_OVERHEAD)
        start = net.now
        for sender, receiver in (hosts, hosts[::-1]):
            since = len(net.hosts[receiver].delivered)
            packets = [(ping_packet(net, sender, receiver, bytes(1300)), 0, 0)] * 2
            while len(net.hosts[receiver].delivered) < since + 20:
                net.send_batch(sender, packets)
                net.run(0.02)
                assert net.now < start + 2.0, "a second for each direction"
            assert link_of(net, sender, receiver).paths.active.mtu.size <= carries
        net.run(5)
    assert [net.hosts[host].deaths for host in hosts] == [[], []]


@pytest.mark.parametrize("carries", [DATAGRAM_FLOOR, NARROW_DATAGRAM])
@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.09, 1.0])
@pytest.mark.parametrize(("window", "at_once"), [(4, 40), (100, 1)])
def test_a_jumbo_path_that_narrows_carries_what_tcp_first_sends_again(
    carries: int, after_s: float, window: int, at_once: int
) -> None:
    net, (one, other) = NodeNet(), IPV4
    for host in IPV4:
        net.add(host)
    net.join(one, other, 0.000_2)
    net.run(10)
    deliver(net, one, other)
    path = link_of(net, one, other).paths.active
    assert path.mtu.size > 8_000
    path.mtu.verify(pto_s=path.rtt.pto, now=net.now)  # a proof, and a while after it
    packet = (ping_packet(net, one, other, bytes(1300)), 0, 0)
    for _ in range(round(after_s / 0.005)):
        net.send_batch(one, [packet] * 20)
        net.run(0.005)
    for wire in net.both(one, other):
        wire.reshape(mtu=carries + UNDERLAY_OVERHEAD)
    for _ in range(window):  # and then nothing: TCP waits
        net.send_batch(one, [packet] * at_once)
        net.run(0.000_5)
    net.run(0.2)
    since = len(net.hosts[other].delivered)
    net.send_batch(one, [packet])
    net.run(0.01)
    assert len(net.hosts[other].delivered) > since


def test_a_lossy_path_whose_ends_stand_still_now_and_then_is_hardly_ever_taken_for_narrow() -> None:
    net, dice = ready_pair(0.000_2), Random(3)
    net.run(5)
    mtu = link_of(net, "a", "b").paths.active.mtu
    size = mtu.size
    for wire in net.both("a", "b"):
        wire.reshape(loss=0.1)
    packets = [(ping_packet(net, "a", "b", bytes(1300)), 0, 0)] * 40
    shorter = 0
    for _ in range(2_000):
        if dice.random() < 0.01:
            net.starve(dice.choice("ab"), 0.2)
        net.send_batch("a", packets)
        net.run(0.005)
        net.hosts["b"].delivered.clear()
        shorter += mtu.size < size
    assert shorter < 100
    assert mtu._failed > size, "it was never given up"
    assert is_up(net, "a", "b")


def test_what_tcp_sends_again_is_enough_to_find_a_path_narrow() -> None:
    net = ready_pair()
    net.run(10)
    for wire in net.both("a", "b"):
        wire.reshape(mtu=1_400 + UNDERLAY_OVERHEAD)
    packet = (ping_packet(net, "a", "b", bytes(1300)), 0, 0)
    net.send_batch("a", [packet] * 10)
    for again_after_s in (0.2, 0.4, 0.8):
        net.run(again_after_s)
        net.send_batch("a", [packet])
    assert link_of(net, "a", "b").paths.active.mtu.size <= 1_400


def test_a_cut_while_the_size_is_doubted_does_not_narrow_the_path(lab: LinkLab) -> None:
    lab.run(6)
    mtu = lab.link("a").paths.active.mtu
    size = mtu.size
    lab.cut("a", "b")
    mtu.verify(pto_s=0.03, now=lab.now)
    lab.act(lab.link("a").sweep)
    for _ in range(3):
        lab.send("a", bytes(100))
        lab.run(0.5)
    assert mtu._is_verifying
    lab.mend()
    lab.run(2.0)
    assert not mtu._is_verifying
    assert mtu.size == size


def test_a_path_that_shrinks_unused_is_found_out_by_the_first_that_is_lost() -> None:
    net = ready_line("ab")
    net.run(10)
    for wire in net.both("a", "b"):
        wire.reshape(mtu=1_300 + UNDERLAY_OVERHEAD)
    net.run(30)
    assert is_up(net, "a", "b")
    deliver(net, "a", "b", within=5)


def test_processes_that_are_rarely_run_make_no_link_look_longer() -> None:
    net = ready_pair(delay=0.010)
    costs = {name: link_of(net, name, other).cost for name, other in ("ab", "ba")}
    for step in range(200):
        net.starve("ab"[step % 2], 0.15)
        net.run(0.2)
        link = link_of(net, "a", "b")
        assert link.paths.active.rtt.minimum(now=net.now) == pytest.approx(0.020)
    assert {name: link_of(net, name, other).cost for name, other in ("ab", "ba")} == costs


# -- two links in memory -----------------------------------------------------------------------------------------------


def test_a_late_goodbye_under_an_old_keypair_says_nothing_of_a_neighbour_with_a_newer_one() -> None:
    lab = LinkLab()
    lab.run(SIMULTANEOUS_S + 1)
    lab.told("a")
    lab.cut("b", "a")
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    _, _, goodbye = lab.sent[-1]
    lab.mend()
    lab.shake_hands("a")
    lab.run(1)
    lab.ends["a"].receive(endpoint("b"), goodbye, len(goodbye))
    assert lab.told("a") == ["keys"]
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(1)
    assert lab.told("a") == ["down: closed"]


def test_a_first_frame_of_any_kind_has_the_neighbour_probed_at_once() -> None:
    """What it was asked before, it could not open: message 3 had been lost."""
    lab = LinkLab(cuts=[("a", "b")])
    lab.run(MESSAGE_3_AGAIN_S - 0.001)
    lab.mend()
    lab.cut("b", "a")  # so are the probes of b
    lab.run(0.01)
    lab.mend()
    lab.send("b", b"the first to arrive")
    assert lab.run(1, until=lambda: lab.link("a").state is LinkState.UP) < 0.02


# -- a pair of links without nodes -------------------------------------------------------------------------------------


@pytest.fixture
def lab() -> LinkLab:
    """Links that have just come up."""
    lab = LinkLab()
    lab.settle(1)
    return lab


def test_a_link_is_with_the_node_whose_keys_its_handshake_proved(lab: LinkLab) -> None:
    link, identity = lab.link("a"), lab.ends["b"].identity
    assert (link.address, link.exchange_key) == (identity.address, identity.exchange_public_key)


def test_who_began_a_link_wants_new_keys_in_time_and_the_other_end_only_where_none_come(lab: LinkLab) -> None:
    ages_s = (REKEY_AFTER_S - 1, REKEY_AFTER_S + 1, REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S + 1)
    for link, wants in ((lab.link("a"), [False, True, True]), (lab.link("b"), [False, False, True])):
        assert [link.wants_new_keypair(now=link.connected_since + age_s) for age_s in ages_s] == wants


def test_a_frame_from_a_new_address_has_that_address_asked_at_once_and_once(lab: LinkLab) -> None:
    lab.move("b", "elsewhere")
    lab.send("b", b"from elsewhere")
    lab.run(DELAY_S + 0.001)
    asked = [data for source, destination, data in lab.sent if (source, destination) == ("a", "elsewhere")]
    assert len(asked) == 1


@pytest.mark.parametrize("body", [b"", b"short"])
@pytest.mark.parametrize("kind", [PROBE, REPAIR])
def test_a_frame_that_no_decoder_understands_is_counted_once_and_ignored(lab: LinkLab, kind: int, body: bytes) -> None:
    plain = memoryview(bytearray(bytes(FRAME_HEADER.size) + body))
    lab.act(lab.link("a").frames.send, kind, plain)
    lab.run(DELAY_S)
    assert (lab.ends["b"].counters.frames_malformed, lab.told("b")) == (1, [])


def test_a_frame_of_an_unknown_kind_is_counted_and_acknowledged(lab: LinkLab) -> None:
    lab.act(lab.link("a").frames.send, 99, memoryview(bytearray(FRAME_HEADER.size + 10)))
    lab.run(1)
    assert lab.ends["b"].counters.frames_malformed == 1
    assert (lab.told("a"), lab.told("b")) == ([], [])


def test_what_the_neighbour_asks_for_again_is_sent_again(lab: LinkLab) -> None:
    a = lab.link("a")
    a.frames.repair.sent.keeps_until = inf
    lab.cut("a", "b")
    lab.send("a", b"lost")
    lab.mend()
    before = a.paths.tx_bytes
    lab.send("a", b"after it")
    lab.run(4 * DELAY_S)
    assert lab.heard("b") == [b"lost", b"after it"]
    assert a.frames.counters.repair_bytes_resent > 0
    assert a.paths.tx_bytes - before > 2 * a.frames.counters.repair_bytes_resent


def test_a_link_that_ends_gives_back_what_it_held(lab: LinkLab) -> None:
    a = lab.link("a")
    a.frames.repair.sent.keeps_until = inf
    lab.send("a", b"kept")
    assert a.frames.repair.sent.held_bytes > 0
    lab.act(a.end, "it was removed")
    assert a.frames.repair.sent.held_bytes == 0


def test_a_neighbour_that_left_and_shakes_hands_again_is_up_again(lab: LinkLab) -> None:
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(DELAY_S)
    assert lab.told("a") == ["down: closed"]
    assert lab.link("a").closed_by_peer
    lab.shake_hands("b")
    began = lab.now
    lab.run(1)
    assert not lab.link("a").closed_by_peer
    assert lab.told("a") == ["up"]
    assert lab.link("a").up_since == pytest.approx(began + 3 * DELAY_S)


def test_a_neighbour_that_left_and_returns_at_another_address_is_up_within_a_round_trip(lab: LinkLab) -> None:
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(DELAY_S)
    assert lab.told("a") == ["down: closed"]
    lab.move("b", "elsewhere")  # the path to the old address is not known to be dead
    lab.shake_hands("b")
    lab.run(3.5 * DELAY_S)
    assert lab.told("a") == ["up"]
    assert lab.link("a").paths.active.endpoint.host == "elsewhere"


def test_an_answer_that_comes_after_the_goodbye_is_none_to_the_next_handshake(lab: LinkLab) -> None:
    lab.act(lab.link("a").network_changed)
    lab.run(0)  # a's probe is on its way
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(3 * DELAY_S)
    assert lab.told("a") == ["down: closed"]
    lab.shake_hands("b")
    lab.cut("b", "a")
    lab.run(1)
    assert lab.told("a") == []


@pytest.mark.parametrize("is_pending", [True, False])
def test_only_a_reply_to_a_probe_of_ours_brings_a_link_up(is_pending: bool) -> None:
    lab = LinkLab(cuts=[("b", "a")])
    lab.run(0.1)
    lab.mend()
    token = next(iter(lab.link("a").paths.active.probes))
    plain = memoryview(bytearray(FRAME_HEADER.size + PROBE_BODY.size))
    write_probe(
        plain, ProbeFields(0, 0.0, token, 0, 0) if is_pending else ProbeFields(PROBE_IS_REPLY, 0.0, token ^ 1, 0, 0)
    )
    lab.act(lab.link("b").frames.send, PROBE, plain)
    lab.run(DELAY_S)
    assert lab.told("a") == []
    lab.run(1)
    assert lab.told("a") == ["up"]


def test_a_probe_of_a_neighbour_that_is_back_has_it_probed_at_once(lab: LinkLab) -> None:
    lab.cut("a", "b")
    lab.cut("b", "a")
    lab.run(10.3)
    assert (lab.told("a"), lab.told("b")) == (["suspect", "down: silent"],) * 2
    lab.mend()
    lab.act(lab.link("b").network_changed)
    lab.run(3 * DELAY_S)
    assert (lab.told("a"), lab.told("b")) == (["up"],) * 2


def test_evidence_in_a_data_frame_ends_a_suspicion_at_once(lab: LinkLab) -> None:
    lab.drop = lambda source, destination, data: source == "b" and len(data) < 100
    lab.run(10, until=lambda: lab.link("a").state is LinkState.SUSPECT)
    lab.send("b", bytes(100))
    lab.run(DELAY_S)
    assert lab.told("a") == ["suspect", "trusted"]


def test_what_was_sent_in_a_suspicion_is_sent_again_as_soon_as_a_data_frame_ends_it(lab: LinkLab) -> None:
    lab.drop = lambda source, destination, data: source == "b" and len(data) < 100
    lab.run(10, until=lambda: lab.link("a").state is LinkState.SUSPECT)
    lab.cut("a", "b")
    lab.act(lab.link("a").send_items, [RouteRequest(b"a" * 16)])
    lab.mend()
    lab.send("b", bytes(100))
    lab.run(2 * DELAY_S)
    assert lab.told("b") == ["items"]


def test_what_was_lost_in_an_outage_is_no_loss_of_the_link_that_is_back(lab: LinkLab) -> None:
    for _ in range(20):
        lab.send("a", b"before")
    lab.run(1)
    lab.cut("a", "b")
    lab.cut("b", "a")
    lab.run(10)
    lab.mend()
    lab.run(2)
    for _ in range(20):
        lab.send("a", b"after")
        lab.run(0.3)
    budget = lab.link("a").frames.budget
    assert (budget.missed, budget.datagram_loss, lab.link("a").loss(now=lab.now)) == (0, 0.0, 0.0)
    assert budget.limit == FRAME_PLAINTEXT, "frames are as long as before"


def test_what_was_lost_over_the_path_before_is_no_loss_of_the_one_in_use(lab: LinkLab) -> None:
    lab.add_address("b", "elsewhere", delay_s=2 * DELAY_S)
    lab.ends["b"].address = "elsewhere"
    lab.shake_hands("a", "elsewhere")
    lab.run(0.2)
    lab.ends["b"].address = "b"
    lab.settle(0.5)
    lab.cut("a", "b")
    lab.ends["b"].address = "elsewhere"  # its link has changed to the other path as well
    for _ in range(500):
        lab.send("a", bytes(100))
        lab.run(0.002)
    assert lab.told("a")[0] == "moved to elsewhere"
    assert lab.link("a").frames.budget.datagram_loss == 0.0
    assert lab.link("a").loss(now=lab.now) == 0.0


def test_frames_without_data_that_are_asked_for_again_are_no_loss(lab: LinkLab) -> None:
    a = lab.link("a")
    a.frames.repair.sent.keeps_until = inf
    lab.send("a", b"kept")
    lab.cut("a", "b")
    for _ in range(3):
        lab.act(a.frames.send, PROBE, memoryview(bytearray(FRAME_HEADER.size)))
    lab.mend()
    lab.send("a", b"after them")
    lab.run(3)
    assert lab.ends["b"].counters.frames_given_up == 3
    assert a.frames.budget.missed == 0
    assert a.loss(now=lab.now) == 0.0


def test_a_lost_frame_has_the_datagram_size_proved_again_once(lab: LinkLab) -> None:
    lab.run(6)
    a = lab.link("a")
    lab.cut("a", "b")
    lab.send("a", bytes(100))
    lab.mend()
    before = a.frames.counters.mtu_probes_sent
    for _ in range(20):
        lab.run(1)
    assert a.frames.budget.missed == 1
    assert a.frames.counters.mtu_probes_sent == before + 2, "and a shorter one behind it"


def test_a_rekey_is_confirmed_without_a_probe(lab: LinkLab) -> None:
    lab.run(SIMULTANEOUS_S)
    lab.sent.clear()
    lab.shake_hands("a")
    lab.run(2 * DELAY_S + 0.001)
    sent = [data[0] for source, _, data in lab.sent if source == "a"]
    assert sent == [HANDSHAKE_3, FRAME, FRAME], "a probe, and the reply to that of the other end"


def test_another_instance_of_a_neighbour_that_has_left_gets_its_link_without_the_keypairs_of_the_one_before(
    lab: LinkLab,
) -> None:
    a = lab.link("a")
    before = list(a.keypairs.by_index)
    assert not a.is_over
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(0.1)
    assert a.is_over
    lab.ends["b"].instance = bytes(range(16))
    lab.shake_hands("b")
    lab.run(0.5)
    assert (a.is_over, a.state, a.instance) == (False, LinkState.UP, bytes(range(16)))
    assert set(before).isdisjoint(a.keypairs.by_index)


def test_a_link_that_was_never_up_is_not_over() -> None:
    assert not LinkLab(cuts=[("a", "b")]).link("a").is_over


def test_new_keys_over_a_long_path_have_message_3_sent_again_in_time() -> None:
    lab = LinkLab(delay_s=0.4)
    lab.settle(SIMULTANEOUS_S + 1)
    lab.cut("a", "b")
    lab.shake_hands("a")
    lab.run(MESSAGE_3_AGAIN_S + 0.001)
    assert [data[0] for source, _, data in lab.sent if source == "a"].count(HANDSHAKE_3) == 2


def test_what_the_neighbour_has_not_acknowledged_is_queued(lab: LinkLab) -> None:
    lab.cut("a", "b")
    lab.act(lab.link("a").send_items, [RouteRequest(b"a" * 16)])
    assert 0 < lab.link("a").untaken_bytes < 100
    lab.mend()
    lab.run(1)
    assert lab.link("a").untaken_bytes == 0


def test_a_link_that_comes_up_is_not_over_yet_and_a_silent_one_is(lab: LinkLab) -> None:
    a = lab.link("a")
    lab.cut("a", "b")
    lab.run(0.01)
    assert not a.is_over
    lab.run(5)
    assert (a.is_over, a.state) == (True, LinkState.DOWN)


def test_a_timeout_sets_the_timer_once(lab: LinkLab) -> None:
    a = lab.ends["a"]
    lab.now = a.link.next_deadline()
    a.armed.clear()
    lab.act(a.link.handle_timeout)
    assert len(a.armed) == 1


def test_a_handshake_at_another_address_while_the_link_is_down_makes_that_the_path_in_use(lab: LinkLab) -> None:
    lab.cut("a", "b")
    lab.cut("b", "a")
    lab.run(10)
    assert lab.told("a")[-1] == "down: silent"
    lab.add_address("b", "elsewhere")
    lab.ends["b"].address = "elsewhere"
    lab.shake_hands("a", "elsewhere")
    lab.run(0.1)
    assert lab.told("a") == ["up"]
    assert lab.link("a").paths.active.endpoint.host == "elsewhere"
    assert lab.link("a").connected_since == 1_000.0, "it is the same link"


def test_a_goodbye_carries_its_reason_and_wants_no_answer(lab: LinkLab, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, bytes]] = []
    monkeypatch.setattr(
        Link, "frame_opened", lambda _, kind, keypair, path, body, now: told.append((kind, bytes(body)))
    )
    lab.act(lab.link("a").close, CLOSE_LEAVING)
    lab.run(DELAY_S)
    assert told == [(CLOSE, bytes((CLOSE_LEAVING,)))]
    assert lab.link("a").paths.active.liveness.silent_since == inf


def test_a_datagram_too_long_for_this_host_shortens_those_of_its_path_alone(lab: LinkLab) -> None:
    lab.run(5)
    link = lab.link("a")
    size = link.paths.active.mtu.size
    lab.act(link.datagram_refused, endpoint("elsewhere"), size)
    assert link.paths.active.mtu.size == size
    lab.act(link.datagram_refused, endpoint("b"), size)
    assert link.paths.active.mtu.size < size


def test_what_is_stale_goes_with_the_sweeps(lab: LinkLab) -> None:
    a, b = lab.link("a"), lab.link("b")
    a.frames.repair.sent.keeps_until = inf
    lab.drop = lambda source, destination, data: source == "b" or (data[0] == CHUNK and data[1:4] == bytes(3))
    lab.send("a", bytes(20_000))
    lab.run(DELAY_S)
    held = (a.frames.repair.sent, b.keypairs.sending.reassembly)
    assert all(one.held_bytes > 0 for one in held)
    lab.now += 60.0
    for link in (a, b, a, b):
        lab.act(link.sweep)
    assert [one.held_bytes for one in held] == [0, 0]


def test_a_link_under_traffic_is_probed_often(lab: LinkLab) -> None:
    for _ in range(20):
        lab.send("a", bytes(1_000))
    lab.act(lab.link("a").sweep)
    assert lab.link("a").paths.active.liveness.role is Role.BUSY


def test_a_link_whose_keys_are_too_old_is_left_for_that_reason(lab: LinkLab) -> None:
    lab.now += REJECT_AFTER_S
    lab.act(lab.link("a").sweep)
    [suspected] = lab.ends["a"].events
    assert isinstance(suspected, LinkSuspected)
    assert suspected.cause == KEYS_TOO_OLD


def test_what_was_queued_for_a_neighbour_goes_with_the_link(lab: LinkLab) -> None:
    lab.cut("a", "b")
    lab.act(lab.link("a").send_items, [RouteRequest(b"a" * 16)])
    lab.run(5)
    assert (lab.told("a"), lab.link("a")._control._channel.queued_bytes) == (["suspect", "down: silent"], 0)
    assert lab.link("a").untaken_bytes > 0, "routing wants to know what the neighbour may have missed"
    lab.mend()
    lab.run(3)
    assert "items" not in lab.told("b")


def test_a_report_that_the_neighbour_is_unreachable_has_it_probed_at_once(lab: LinkLab) -> None:
    lab.act(lab.link("a").reported_unreachable, [remote_of(endpoint("b"))])
    lab.run(0)
    assert [destination for source, destination, _ in lab.sent if source == "a"] == ["b"]


def test_a_report_about_another_neighbour_costs_a_link_nothing(lab: LinkLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "_settle", None)  # which is not called
    lab.act(lab.link("a").reported_unreachable, [remote_of(endpoint("c"))])


@pytest.mark.parametrize("news", [Link.network_changed, Link.host_gained])
def test_news_of_the_network_have_the_paths_that_need_it_asked_at_once(lab: LinkLab, news: Callable[..., None]) -> None:
    link = lab.link("a")
    lab.act(link.host_lost, Lost(endpoint=endpoint("b")))
    lab.run(0.001)
    lab.sent.clear()
    lab.act(news, link)
    lab.run(0)
    assert [destination for source, destination, _ in lab.sent if source == "a"] == ["b"]


def test_an_initiator_sends_under_the_old_keys_until_the_responder_is_heard_under_the_new_ones(lab: LinkLab) -> None:
    lab.run(SIMULTANEOUS_S)
    lab.cut("a", "b")
    lab.shake_hands("a")  # whose message 3 is lost
    lab.mend()
    lab.send("a", b"at once")
    lab.run(DELAY_S)
    assert lab.heard("b") == [b"at once"]


def test_the_loss_of_the_last_minute_is_told_while_the_link_is_up(lab: LinkLab) -> None:
    lost = iter([True] * 10)
    lab.drop = lambda source, destination, data: source == "a" and len(data) > 60 and next(lost, False)
    for _ in range(100):
        lab.send("a", bytes(100))
    lab.run(2)
    assert lab.link("a").loss(now=lab.now) == pytest.approx(0.08, abs=0.02)
    lab.cut("a", "b")
    lab.cut("b", "a")
    lab.run(5)
    assert lab.link("a").loss(now=lab.now) is None
