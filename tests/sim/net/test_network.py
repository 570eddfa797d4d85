"""Hosts and wires: addresses, NATs, bursts, beacons."""

from random import Random

import pytest

from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.link import LinkState
from mycelium.packet.batch import PacketBatch
from sim.net.driver import VirtualDriver
from sim.net.events import EventHeap
from sim.net.link import LinkModel, Wire
from sim.net.nat import Nat, NatModel
from sim.net.network import BYTES_PER_BURST, PORT, SEGMENTS_PER_BURST, VirtualHost, VirtualNetwork, url_of
from sim.net.run_log import RunLog

Burst = tuple[float, Endpoint, bytes, int]  # arrival, sender, datagrams, segment size


class RecordingDriver(VirtualDriver):
    """A driver that keeps what arrives from the node."""

    def __init__(self, host: VirtualHost) -> None:
        network = host.network
        host.start(epoch=1, rng=Random(1))
        super().__init__(host.node, host, heap=network.heap, log=network.log, batch=PacketBatch())
        self.bursts: list[Burst] = []
        host.driver = self

    def receive(self, source: Endpoint, data: bytes, segment_size: int, arrived_at: float) -> None:
        self.bursts.append((arrived_at, source, data, segment_size))


class Net(VirtualNetwork):
    """Hosts whose first address is their name, wired pairwise on demand."""

    def __init__(self, *names: str, has_pktinfo: bool = False) -> None:
        super().__init__(EventHeap(), log=RunLog(), has_pktinfo=has_pktinfo)
        self.drivers = {}
        for number, name in enumerate(names):
            identity = Identity(bytes((number + 1,)) * 32)
            host = VirtualHost(self, name, index=number, identity=identity, addresses=[name])
            self.drivers[name] = RecordingDriver(host)

    def wire(self, one: str, other: str, delay_s: float = 0.25) -> Wire:
        self.wires[one, other] = Wire(LinkModel(delay_s=delay_s), Random(1))
        return self.wires[one, other]

    def send(self, sender: str, receiver: str, data: bytes, segment_size: int, local: bytes = b"") -> None:
        endpoint = Endpoint("udp", receiver, PORT, 0, local)
        self.by_name[sender].transmit(endpoint, data, segment_size)

    def arrived(self, name: str) -> list[Burst]:
        self.heap.run(self.now + 10.0)
        return self.drivers[name].bursts


A = Endpoint("udp", "a", PORT)


def test_datagrams_of_one_send_arrive_as_one_burst() -> None:
    net = Net("a", "b")
    net.wire("a", "b")
    net.send("a", "b", b"aabbc", 2)
    assert net.arrived("b") == [(0.25, A, b"aabbc", 2)]
    assert net.by_name["a"].bytes_sent == 5


def test_sends_that_arrive_together_are_joined_up_to_a_shorter_datagram() -> None:
    net = Net("a", "b")
    net.wire("a", "b")
    for data in (b"aa", b"bb", b"c", b"dd"):
        net.send("a", "b", data, len(data))
    assert [burst[2:] for burst in net.arrived("b")] == [(b"aabbc", 2), (b"dd", 2)]


def test_longer_datagrams_and_those_of_other_ports_are_not_joined() -> None:
    net = Net("a", "b", "c")
    net.wire("a", "b")
    net.wire("c", "b")
    net.send("a", "b", b"a", 1)
    net.send("a", "b", b"bb", 2)
    net.send("c", "b", b"cc", 2)
    assert [burst[2:] for burst in net.arrived("b")] == [(b"a", 1), (b"bb", 2), (b"cc", 2)]


def test_a_burst_is_as_long_as_the_kernel_makes_it() -> None:
    net = Net("a", "b")
    net.wire("a", "b").reshape(mtu=65_535)
    net.send("a", "b", bytes(SEGMENTS_PER_BURST + 1), 1)
    net.send("a", "b", bytes(BYTES_PER_BURST), 20_000)
    assert [len(data) for _, _, data, _ in net.arrived("b")] == [
        SEGMENTS_PER_BURST,
        1,
        60_000,
        BYTES_PER_BURST - 60_000,
    ]


def test_a_datagram_sent_when_a_burst_arrives_is_not_lost() -> None:
    net = Net("a", "b")
    net.wire("a", "b", 0.0)
    net.send("a", "b", b"x", 1)
    net.heap.step()
    net.send("a", "b", b"y", 1)
    assert [burst[2] for burst in net.arrived("b")] == [b"x", b"y"]


def test_what_is_not_let_pass_does_not_arrive() -> None:
    net = Net("a", "b")
    net.wire("a", "b")
    net.passes = lambda sender, receiver, data: (sender, receiver, data) != ("a", "b", b"bb")
    net.send("a", "b", b"aabbcc", 2)
    assert [burst[2] for burst in net.arrived("b")] == [b"aacc"]


def test_without_a_wire_or_a_receiver_nothing_arrives() -> None:
    net = Net("a", "b")
    net.send("a", "b", b"x", 1)
    net.wire("a", "b")
    net.send("a", "nobody", b"x", 1)
    net.by_name["b"].stop()
    net.send("a", "b", b"x", 1)
    assert net.arrived("b") == []


def test_the_address_that_has_a_wire_is_used_unless_the_node_names_another() -> None:
    net = Net("a", "b")
    net.by_name["a"].add_address("a2")
    net.wire("a2", "b")
    net.send("a", "b", b"x", 1)
    net.send("a", "b", b"y", 1, local=b"a")
    net.send("a", "b", b"z", 1, local=b"elsewhere")
    assert [(source.host, data) for _, source, data, _ in net.arrived("b")] == [("a2", b"x")]


@pytest.mark.parametrize(("has_pktinfo", "local"), [(True, b"b"), (False, b"")])
def test_a_node_is_told_its_own_address_where_the_host_knows_it(has_pktinfo: bool, local: bytes) -> None:
    net = Net("a", "b", has_pktinfo=has_pktinfo)
    net.wire("a", "b")
    net.send("a", "b", b"x", 1)
    assert [source.local for _, source, _, _ in net.arrived("b")] == [local]


def test_wires_follow_a_host_that_moves_and_what_is_in_flight_to_the_old_address_is_lost() -> None:
    net = Net("a", "b")
    net.wire("a", "b")
    net.wire("b", "a")
    net.send("a", "b", b"lost", 4)
    net.by_name["b"].move(["b2"])
    net.send("a", "b", b"old", 3)
    net.send("a", "b2", b"new", 3)
    net.send("b", "a", b"back", 4)
    assert [burst[2] for burst in net.arrived("b")] == [b"new"]
    assert [burst[1].host for burst in net.arrived("a")] == ["b2"]


def test_a_nat_maps_what_goes_out_and_filters_what_comes_in() -> None:
    net = Net("a", "b")
    net.wire("a", "b")
    net.wire("b", "a")
    net.by_name["a"].nat = Nat(NatModel())
    net.send("b", "a", b"in", 2)
    net.send("a", "b", b"out", 3)
    ((_, source, _, _),) = net.arrived("b")
    assert source.port != PORT
    assert net.arrived("a") == []
    net.by_name["b"].transmit(source, b"answer", 6)
    assert [burst[2] for burst in net.arrived("a")] == [b"answer"]


def test_the_name_of_a_host_is_resolved_to_its_addresses_and_an_address_to_itself() -> None:
    net = Net("a", "b")
    net.by_name["b"].move(["192.0.2.1"])
    net.by_name["b"].add_address("fd00::1")
    resolve = net.by_name["a"].resolve
    assert [endpoint.host for endpoint in resolve(url_of("b"))] == ["192.0.2.1", "fd00::1"]
    assert resolve(url_of("fe80::9")) == [Endpoint("udp", "fe80::9", PORT)]


def test_a_restarted_node_has_its_peers_and_loses_those_that_are_removed() -> None:
    net = Net("a")
    host = net.by_name["a"]
    host.add_peer(url_of("b"))
    host.add_peer(url_of("c"), b"p" * 32)
    host.stop()
    host.remove_peer(url_of("b"))
    host.start(epoch=2, rng=Random(2))
    assert list(host.node.peers.by_url) == [url_of("c")]
    host.stop()
    with pytest.raises(AssertionError, match="stopped"):
        _ = host.node


def real_pair(*addresses: str) -> list[VirtualHost]:
    """Returns two hosts with running nodes and wires of 10 ms."""
    network, hosts = VirtualNetwork(EventHeap(), log=RunLog()), []
    for index, name in enumerate(addresses):
        hosts.append(
            VirtualHost(network, name, index=index, identity=Identity(bytes((index + 1,)) * 32), addresses=[name])
        )
        network.wires[name, addresses[1 - index]] = Wire(LinkModel(delay_s=0.01), Random(index))
    for host in hosts:
        host.start(epoch=1, rng=Random(host.index))
    return hosts


def state_at(host: VirtualHost, other: VirtualHost) -> LinkState:
    host.network.heap.run(host.network.now + 2.0)
    return host.node.links[other.address].state


@pytest.mark.parametrize("is_running", [True, False])
def test_a_configured_peer_is_dialled_and_a_goodbye_and_a_removal_end_the_link(is_running: bool) -> None:
    a, b = real_pair("a", "b")
    if not is_running:
        a.stop()
    a.add_peer(url_of("b"))
    if not is_running:
        a.start(epoch=2, rng=Random(2))
    assert state_at(b, a) is LinkState.UP
    a.stop(says_goodbye=True)
    assert state_at(b, a) is LinkState.DOWN
    assert b.node.links[a.address].closed_by_peer
    a.start(epoch=3, rng=Random(3))
    assert state_at(b, a) is LinkState.UP
    a.remove_peer(url_of("b"))
    assert state_at(b, a) is LinkState.DOWN


def test_a_firewall_drops_one_scheme_and_a_peer_without_scheme_is_reached_by_the_other() -> None:
    a, b = real_pair("a", "b")
    a.network.blocked |= {("udp", "a", "b"), ("udp", "b", "a")}
    a.add_peer(url_of("b", ""))
    assert state_at(b, a) is LinkState.UP
    assert {path.endpoint.scheme for path in b.node.links[a.address].paths} == {"tcp"}


def test_a_node_that_is_stopped_says_nothing_unless_it_is_to() -> None:
    a, b = real_pair("a", "b")
    a.add_peer(url_of("b"))
    assert state_at(b, a) is LinkState.UP
    a.stop()
    assert not b.node.links[a.address].closed_by_peer


def test_neighbours_on_a_lan_find_each_other_by_beacons() -> None:
    a, b = real_pair("fe80::a", "fe80::b")
    for host in (a, b):
        host.running.act(host.node.discovery.start, PORT)
    assert state_at(a, b) is LinkState.UP
