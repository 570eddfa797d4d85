"""The metrics of a running node for Prometheus, read when they are asked for: the data path knows nothing of them.

Peers are labels, as many as have totals of their own (`node/totals.py`); ports that a neighbour happens to dial from are not.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Final

import mycelium
from mycelium.admin.exposition import Exposition, Labels
from mycelium.counters import Histogram, MetricKind
from mycelium.daemon.process import cpu_seconds, resident_bytes
from mycelium.identity import subnet_of
from mycelium.link.link import LinkState
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.node.snapshot import LinkSnapshot, NodeSnapshot
from mycelium.node.totals import Subject, Totals
from mycelium.routing.metric import COST_UNIT_S
from mycelium.routing.neighbour import node_of

COUNTER: Final = MetricKind.COUNTER
GAUGE: Final = MetricKind.GAUGE
OTHER: Final = "other"  # label of all peers together that are too many for one of their own
_HANDSHAKES: Final = "handshakes_"  # how the names of their counters begin
_RECEIVED: Final = ("received",)
_SENT: Final = ("sent",)

# Properties of each link that has a label of its own: name, help, value; None where it is not known.
_OF_LINK: Final[tuple[tuple[str, str, Callable[[LinkSnapshot], float | None]], ...]] = (
    (
        "link_rtt_seconds",
        "Smoothed round trip, delays of both hosts included.",
        lambda link: link.paths[0].smoothed_rtt_s,
    ),
    ("link_wire_rtt_seconds", "Least of the last few round trips on the wire.", lambda link: link.paths[0].rtt_s),
    ("link_loss_ratio", "Share of frames lost in the last minute, after repair.", lambda link: link.loss),
    ("link_cost_seconds", "Cost of the link as routing has it.", lambda link: link.cost and link.cost * COST_UNIT_S),
    ("link_mtu_bytes", "Longest datagram on the path in use.", lambda link: link.paths[0].mtu),
)


class NodeMetrics:
    """The metrics of one node. `lag` is how late the event loop was."""

    def __init__(self, node: Node, names: Names, lag: Histogram) -> None:
        self._node = node
        self._called = names
        self._lag = lag
        self._started = time.time()
        self._bytes: Totals[bytes] = Totals()  # by neighbour: bytes received and sent
        self._counted: dict[bytes, tuple[int, int]] = {}  # of each link, when they were read last

    def text(self, *, now: float) -> bytes:
        """Returns all metrics as Prometheus reads them."""
        text, snapshot = Exposition(), self._node.snapshot(now=now)
        self._take(snapshot.links)
        names = self._names(snapshot, now=now)
        self._write_daemon(text)
        self._write_links(text, snapshot.links, names)
        self._write_routes(text, names)
        self._write_traffic(text)
        return bytes(text)

    def _take(self, links: Iterable[LinkSnapshot]) -> None:
        """Adds what links have carried since the last time, and makes room for others than those who have gone."""
        before, self._counted = self._counted, {}
        for link in links:
            received, sent = before.get(link.address, (0, 0))
            if link.rx_bytes < received or link.tx_bytes < sent:  # it is a new link with the same neighbour
                received = sent = 0
            counts = self._bytes.of(link.address)
            counts[_RECEIVED] += link.rx_bytes - received
            counts[_SENT] += link.tx_bytes - sent
            self._counted[link.address] = link.rx_bytes, link.tx_bytes
        peers, tally = self._node.peers.by_url, self._node.journal.tally
        kept = self._counted.keys() | {peer.neighbour for peer in peers.values() if peer.neighbour is not None}
        self._bytes.retain(kept)
        tally.links.retain(kept)
        tally.failures.retain(peers)

    def _names(self, snapshot: NodeSnapshot, *, now: float) -> dict[bytes, str]:
        """Returns what neighbours are called: by their name, else by the URL of a configured peer, else by their /64."""
        names = {link.address: f"{IPv6Address(subnet_of(link.address) + bytes(8))}/64" for link in snapshot.links}
        for url, peer in self._node.peers.by_url.items():
            if peer.neighbour is not None:
                names[peer.neighbour] = _without_pin(url)
        for one in snapshot.peers:
            if one.url is not None and one.link is not None:
                names[one.link.address] = _without_pin(one.url)
        return {node: self._called.name_of(node, now=now) or name for node, name in names.items()}

    def _write_daemon(self, text: Exposition) -> None:
        text.labelled("build_info", GAUGE, "Always 1.", ("version",), [((mycelium.__version__,), 1)])
        text.single("start_time_seconds", GAUGE, "When the daemon was started, in Unix time.", self._started)
        text.histogram("loop_lag_seconds", "How late the daemon was at what was due, each second.", self._lag)
        cpu_help, memory_help = "Processor time taken by the daemon.", "Memory of the daemon that is in RAM."
        text.single("process_cpu_seconds_total", COUNTER, cpu_help, cpu_seconds(), prefix="")
        text.single("process_resident_memory_bytes", GAUGE, memory_help, resident_bytes(), prefix="")

    def _write_links(self, text: Exposition, links: Sequence[LinkSnapshot], names: Mapping[bytes, str]) -> None:
        states = Counter(link.state for link in links)
        by_state = {(state.value,): states[state] for state in LinkState}
        text.labelled(
            "links", GAUGE, "Links with neighbours, by what routing is told of them.", ("state",), by_state.items()
        )
        own = [link for link in links if link.address in self._bytes]
        for name, help, read in _OF_LINK:
            values = {(names[link.address],): value for link in own if (value := read(link)) is not None}
            text.labelled(name, GAUGE, help, ("peer",), values.items())
        totals = _summed(self._bytes, names)
        for name, key in (("link_receive_bytes_total", _RECEIVED), ("link_transmit_bytes_total", _SENT)):
            carried = {(peer,): count for (peer, *of), count in totals.items() if (*of,) == key}
            text.labelled(name, COUNTER, f"Bytes of datagrams {key[0]}.", ("peer",), carried.items())
        tally, labels = self._node.journal.tally, ("peer", "to", "cause")
        changes_help = "Changes of the state of links, and why."
        text.labelled("link_transitions_total", COUNTER, changes_help, labels, _summed(tally.links, names).items())
        urls = {url: _without_pin(url) for url in self._node.peers.by_url}
        failures_help = "Attempts to reach a configured peer that failed, and why."
        text.labelled(
            "peer_failures_total", COUNTER, failures_help, ("peer", "cause"), _summed(tally.failures, urls).items()
        )

    def _write_routes(self, text: Exposition, names: Mapping[bytes, str]) -> None:
        tally, next_hops = self._node.journal.tally, self._node.routing.forwarding.next_hop
        text.single("routes", GAUGE, "Nodes with a route in use.", len(next_hops))
        by_peer: Counter[Labels] = Counter()
        for name, count in Counter(next_hops.values()).items():
            neighbour = node_of(name)
            by_peer[(names[neighbour] if neighbour in self._bytes else OTHER,)] += count
        text.labelled(
            "routes_by_next_hop", GAUGE, "Routes in use, by the neighbour they lead to.", ("peer",), by_peer.items()
        )
        causes = {(cause,): count for cause, count in tally.routes.items()}
        text.labelled("route_changes_total", COUNTER, "Changes of next hops, and why.", ("cause",), causes.items())
        outages_help = "How long there was no working route to a node, of each outage that is over."
        text.histogram("outage_seconds", outages_help, tally.outages)
        held = sum(session.sending is not None for session in self._node.sessions.by_peer.values())
        text.single("sessions", GAUGE, "End-to-end sessions with keys.", held)
        renewals_help = "Sessions whose keys were replaced early, as after a restart of the other end."
        text.single("session_renewals_total", COUNTER, renewals_help, tally.session_renewals)

    def _write_traffic(self, text: Exposition) -> None:
        values, metrics = self._node.metrics.values(), self._node.metrics.metrics()
        packets = {("out",): values["packets_sent"], ("in",): values["packets_delivered"]}
        packets_help = "Packets of this host, into the overlay and out of it; a super-packet is one."
        text.labelled("packets_total", COUNTER, packets_help, ("direction",), packets.items())
        if "tun_bytes_read" in values:
            size = {("out",): values["tun_bytes_read"], ("in",): values["tun_bytes_written"]}
            text.labelled("tun_bytes_total", COUNTER, "Bytes of these packets.", ("direction",), size.items())
        forwarded = values["trains_forwarded"]
        text.single("forwarded_trains_total", COUNTER, "Trains of packets forwarded for other nodes.", forwarded)
        drops = {(one.name,): values[one.name] for one in metrics if one.is_drop}
        text.labelled(
            "drops_total", COUNTER, "What was dropped, by the counter that tells why.", ("cause",), drops.items()
        )
        results = {
            (one.name.removeprefix(_HANDSHAKES),): values[one.name]
            for one in metrics
            if one.name.startswith(_HANDSHAKES)
        }
        text.labelled(
            "handshakes_total", COUNTER, "Messages and ends of link handshakes.", ("result",), results.items()
        )
        resent = values["repair_bytes_resent"]
        text.single("repair_bytes_total", COUNTER, "Bytes sent again to neighbours that missed them.", resent)


def _without_pin(url: str) -> str:
    return url.partition("#")[0]


def _summed(totals: Totals[Subject], names: Mapping[Subject, str]) -> Counter[Labels]:
    """Returns counts by the name of the peer and their other labels; what has several names, or none, is added up."""
    summed: Counter[Labels] = Counter()
    for subject, counts in totals:
        name = OTHER if subject is None else names[subject]
        summed.update({(name, *key): count for key, count in counts.items()})
    return summed
