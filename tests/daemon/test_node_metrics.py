"""What Prometheus is told of a node: by peers that have names, of a bounded number, quickly, and as the node has it."""

from collections.abc import Callable
from ipaddress import ip_network
from time import perf_counter
from typing import Final

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from mycelium.counters import Histogram
from mycelium.daemon.node_metrics import OTHER, NodeMetrics
from mycelium.limits import COUNTED_PEERS
from mycelium.link.link import LinkState
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.node.snapshot import LinkSnapshot
from sim.net.network import url_of
from sim.net.node_net import NodeNet
from tests.support.named_nodes import NOBODY, NamedNodes
from tests.support.small_meshes import deliver, ready_line, ready_pair

ROUTES: Final = 1_000
LINKS: Final = 100
QUICK_S: Final = 0.05
LONGEST_BYTES: Final = 100_000
Series = dict[tuple[str, ...], float]


class Reader:
    """Reads the metrics of a node as Prometheus does."""

    def __init__(self, node: Node, names: Names = NOBODY) -> None:
        self.metrics = NodeMetrics(node, names, Histogram(0.1))
        self.text = b""

    def read(self, now: float) -> dict[str, Series]:
        """Returns the values of each metric by the values of its labels."""
        self.text = self.metrics.text(now=now)
        found: dict[str, Series] = {}
        for family in text_string_to_metric_families(self.text.decode()):
            for sample in family.samples:
                key = tuple(sample.labels.values())
                series = found.setdefault(sample.name, {})
                assert key not in series, sample
                series[key] = sample.value
        return found


def read(net: NodeNet, name: str) -> dict[str, Series]:
    return Reader(net.hosts[name].node).read(net.now)


def subnet(net: NodeNet, name: str) -> str:
    return str(ip_network((net.hosts[name].address, 64), strict=False))


@pytest.fixture(scope="module")
def net() -> NodeNet:
    """A line of three hosts; a dials b, and b dials c."""
    net = ready_line("abc")
    deliver(net, "a", "c")
    net.hosts["a"].node.note_route_changes(now=net.now)
    return net


def test_a_configured_peer_is_called_by_its_url_and_another_neighbour_by_its_subnet(net: NodeNet) -> None:
    a, b, c = (read(net, name) for name in "abc")
    assert set(a["mycelium_link_wire_rtt_seconds"]) == {(url_of("b"),)}
    assert set(b["mycelium_link_wire_rtt_seconds"]) == {(subnet(net, "a"),), (url_of("c"),)}
    assert set(c["mycelium_link_receive_bytes_total"]) == {(subnet(net, "b"),)}
    assert a["mycelium_routes_by_next_hop"] == {(url_of("b"),): 2}


def test_a_neighbour_with_a_name_is_called_by_it(net: NodeNet) -> None:
    b = Reader(net.hosts["b"].node, NamedNodes({net.hosts["a"].address: "berlin"})).read(net.now)
    assert set(b["mycelium_link_mtu_bytes"]) == {("berlin",), (url_of("c"),)}
    assert ("berlin", "up", "linked") in b["mycelium_link_transitions_total"]


def test_what_a_link_does_is_told_in_seconds_and_bytes(net: NodeNet) -> None:
    a, [link] = read(net, "a"), net.hosts["a"].node.snapshot(now=net.now).links
    peer = (url_of("b"),)
    assert a["mycelium_links"] == {("up",): 1, ("suspect",): 0, ("down",): 0}
    assert a["mycelium_link_wire_rtt_seconds"][peer] == pytest.approx(0.01, abs=0.001)
    assert a["mycelium_link_rtt_seconds"][peer] == pytest.approx(0.01, abs=0.005)
    assert link.cost is not None
    assert a["mycelium_link_cost_seconds"][peer] == pytest.approx(link.cost * 1e-5)
    assert a["mycelium_link_loss_ratio"] == {peer: 0.0}
    assert a["mycelium_link_mtu_bytes"][peer] == link.paths[0].mtu
    assert a["mycelium_link_receive_bytes_total"] == {peer: link.rx_bytes}
    assert a["mycelium_link_transmit_bytes_total"] == {peer: link.tx_bytes}
    assert a["mycelium_link_transitions_total"] == {(*peer, "up", "linked"): 1}


def test_routes_sessions_packets_and_drops_are_those_of_the_node(net: NodeNet) -> None:
    node, a = net.hosts["a"].node, read(net, "a")
    assert a["mycelium_routes"] == {(): 2}
    assert a["mycelium_sessions"] == {(): 1}
    assert a["mycelium_route_changes_total"] == {("better",): 2, ("pushed out",): 0}
    assert a["mycelium_packets_total"] == {("out",): node.dataplane_counters.packets_sent, ("in",): 0}
    assert read(net, "b")["mycelium_forwarded_trains_total"][()] > 0
    assert a["mycelium_drops_total"][("packets_no_route",)] == 0
    assert ("packets_sent",) not in a["mycelium_drops_total"]
    assert a["mycelium_handshakes_total"][("given_up",)] == 0
    assert a["mycelium_outage_seconds_bucket"][("+Inf",)] == 0
    assert a["mycelium_loop_lag_seconds_count"] == {(): 0}
    assert a["process_resident_memory_bytes"][()] > 1 << 20


def test_a_cut_and_a_peer_that_does_not_answer_are_counted_with_their_causes() -> None:
    net = ready_pair()
    net.cut("a", "b")
    net.run(40)
    a = read(net, "a")
    peer = url_of("b")
    assert a["mycelium_links"][("up",)] == 0
    assert a["mycelium_link_transitions_total"][peer, "down", "silent"] == 1
    assert a["mycelium_peer_failures_total"][peer, "no-answer"] >= 1
    net.mend("a", "b")
    net.run(60, until=lambda: read(net, "a")["mycelium_links"][("up",)] == 1)
    net.run(2)
    net.hosts["a"].node.note_route_changes(now=net.now)
    a = read(net, "a")
    assert a["mycelium_outage_seconds_count"] == {(): 1}
    assert 40 <= a["mycelium_outage_seconds_sum"][()] <= 110


def crowded(node: Node, links: Callable[[], list[LinkSnapshot]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives a node these links in what it shows."""
    shown = node.snapshot(now=0.0)
    monkeypatch.setattr(node, "snapshot", lambda *, now: structs.replace(shown, links=tuple(links())))


def crowd(like: LinkSnapshot, count: int) -> list[LinkSnapshot]:
    return [
        structs.replace(like, address=bytes((4, 1, *number.to_bytes(6, "big"))) + like.address[8:])
        for number in range(count)
    ]


def test_many_links_and_routes_take_little_time_and_room(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    node = net.hosts["a"].node
    [link] = node.snapshot(now=net.now).links
    links = crowd(link, LINKS)
    crowded(node, lambda: links, monkeypatch)
    routes = {bytes((5, *number.to_bytes(15, "big"))): links[number % LINKS].address for number in range(ROUTES)}
    monkeypatch.setattr(node.routing.forwarding, "next_hop", routes)
    reader, took = Reader(node), []
    for _ in range(5):  # the quickest counts: others use this processor too
        began = perf_counter()
        reader.metrics.text(now=net.now)
        took.append(perf_counter() - began)
    found = reader.read(net.now)
    assert len(found["mycelium_link_rtt_seconds"]) == LINKS
    assert sum(found["mycelium_routes_by_next_hop"].values()) == ROUTES
    assert min(took) < QUICK_S
    assert len(reader.text) < LONGEST_BYTES


def test_beyond_so_many_peers_all_others_are_one_whose_counts_never_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    node = net.hosts["a"].node
    [link] = node.snapshot(now=net.now).links
    links = [structs.replace(one, rx_bytes=1_000) for one in crowd(link, COUNTED_PEERS + 10)]
    crowded(node, lambda: links, monkeypatch)
    reader = Reader(node)
    found = reader.read(net.now)
    received = found["mycelium_link_receive_bytes_total"]
    assert len(received) == COUNTED_PEERS + 1
    assert received[(OTHER,)] == 10 * 1_000
    assert len(found["mycelium_link_mtu_bytes"]) == COUNTED_PEERS
    links = links[20:]  # twenty that had a label of their own are gone
    assert reader.read(net.now)["mycelium_link_receive_bytes_total"][(OTHER,)] == 30 * 1_000


def test_no_series_comes_or_goes_with_the_port_that_a_neighbour_dials_from() -> None:
    net = ready_pair()
    reader = Reader(net.hosts["b"].node)
    before = reader.read(net.now)
    net.move("a", "moved")
    net.run(20, until=lambda: bool(net.hosts["b"].node.journal.tally.links) and is_alive(net))
    net.run(3)
    after = reader.read(net.now)
    for name in before.keys() - {"mycelium_link_transitions_total", "mycelium_route_changes_total"}:
        assert before[name].keys() == after[name].keys(), name
    assert {peer for peer, *_ in after["mycelium_link_transitions_total"]} == {subnet(net, "a")}


def is_alive(net: NodeNet) -> bool:
    return all(link.state is LinkState.UP for link in net.hosts["b"].node.links.values())


def test_a_new_link_with_a_neighbour_goes_on_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready_pair()
    node = net.hosts["a"].node
    [link] = node.snapshot(now=net.now).links
    links = [structs.replace(link, rx_bytes=1_000, tx_bytes=10)]
    crowded(node, lambda: links, monkeypatch)
    reader, peer = Reader(node), (url_of("b"),)
    reader.read(net.now)
    links = [structs.replace(link, rx_bytes=300, tx_bytes=10)]
    found = reader.read(net.now)
    assert found["mycelium_link_receive_bytes_total"] == {peer: 1_300}
    assert found["mycelium_link_transmit_bytes_total"] == {peer: 20}
