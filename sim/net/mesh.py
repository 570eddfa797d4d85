"""A simulated mesh of either fidelity: numbered nodes, the links between them, and what a scenario can do to both.

Scenarios, oracle, invariants and traffic use this interface only. Each purpose has a random generator of its own, seeded by
the run's seed and the name of the purpose, so that one more draw in one place changes nothing elsewhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from random import Random
from typing import Final, Protocol

import networkx

from mycelium.limits import DESTINATIONS
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.metric import link_cost
from mycelium.wire.announcement import Announcement

from .events import EventHeap
from .kinds import KindCount
from .link import LinkModel, SimLink
from .run_log import RunLog

FIRST_EPOCH: Final = 1_000_000  # seconds, as from a clock


class Watcher(Protocol):
    """An observer of a running mesh."""

    def routes_changed(self, node: int) -> None:
        """Called at the end of an event in which a next hop of this node has changed."""

    def links_changed(self) -> None:
        """Called when a link or a node has come or gone, and when a node has noticed it."""

    def link_lost(self, node: int, neighbour: int, cause: str, *, is_false: bool) -> None:
        """Called when a whole node gives up a neighbour; `is_false` if the link carried datagrams throughout the silence."""


class Mesh(ABC):
    """Nodes 0, 1, 2 ... and their links. A stopped node has no engine."""

    def __init__(self, *, seed: int, link_defaults: dict[str, float]) -> None:
        self.seed = seed
        self.scope = DESTINATIONS  # nodes that a table holds as the nearest
        self.heap = EventHeap()
        self.log = RunLog()
        self.watchers: list[Watcher] = []
        self.links: dict[tuple[int, int], SimLink] = {}  # by (lower, higher)
        self.ways: dict[
            tuple[int, int], SimLink
        ] = {}  # the same between nodes that may find a shortcut, and have no link
        self.index_of: dict[bytes, int] = {}  # by address
        self.epochs: dict[int, int] = {}  # the newest epoch of each node
        self.liars: dict[int, str] = {}  # node -> how it lies
        self.last_activity = 0.0  # when routing last sent anything but digests
        self.kinds: KindCount | None = None  # counts what engines send, while anybody wants to know
        self.tables: dict[bytes, dict[bytes, bytes]] = {}  # by address of a running node: destination -> next hop
        self._link_defaults = link_defaults

    @property
    def messages(self) -> int:
        """The number of control messages that all nodes have sent."""
        return sum(self.messages_sent(node) for node in self.epochs)

    @property
    def now(self) -> float:
        """Virtual time, seconds."""
        return self.heap.now

    def rng(self, purpose: str) -> Random:
        """Returns a random generator for one purpose."""
        return Random(f"{self.seed}/{purpose}")

    # Nodes.

    @abstractmethod
    def start(self, node: int, *, epoch: int | None = None) -> None:
        """Starts a stopped node without any memory. Its epoch is the next one unless given."""

    @abstractmethod
    def stop(self, node: int, *, says_goodbye: bool = False) -> None:
        """Stops a node, silently unless it is to say goodbye to its neighbours."""

    @abstractmethod
    def engine(self, node: int) -> RoutingEngine | None:
        """Returns the routing engine of a node, None while it is stopped."""

    @abstractmethod
    def address(self, node: int) -> bytes:
        """Returns the overlay address of a node."""

    @abstractmethod
    def is_signed(self, address: bytes, announcement: Announcement) -> bool:
        """Tells whether the node of that address has signed this announcement."""

    @abstractmethod
    def bytes_sent(self, node: int) -> int:
        """Returns the bytes that a node has sent since it was first started, without UDP and IP headers."""

    @abstractmethod
    def messages_sent(self, node: int) -> int:
        """Returns the number of control messages that a node has sent since it was first started."""

    def running(self) -> Iterator[int]:
        """Yields the running nodes in ascending order."""
        return (node for node in sorted(self.epochs) if self.engine(node) is not None)

    def next_epoch(self, node: int) -> int:
        """Returns the epoch of the next start of a node whose clock and state file are intact."""
        return max(self.epochs.get(node, 0) + 1, FIRST_EPOCH + int(self.now))

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> SimLink:
        """Adds a closed link, whose model has the defaults of the mesh."""
        link = self._make_link(one, other, delay_s=delay_s, cost=cost)
        self.links[link.low, link.high] = link
        return link

    def _make_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> SimLink:
        low, high = min(one, other), max(one, other)
        model = LinkModel(**{**self._link_defaults, "delay_s": delay_s})  # type: ignore[arg-type]
        link = SimLink(low, high, model, self.rng(f"link/{low}/{high}/{self.heap.handled}"), cost)
        link.close()
        return link

    def remove_link(self, one: int, other: int) -> None:
        """Removes a link."""
        low, high = min(one, other), max(one, other)
        self.cut(low, high)
        del self.links[low, high]

    def link(self, one: int, other: int) -> SimLink:
        """Returns the link between two nodes, or the way of their shortcut; KeyError where there is none."""
        edge = min(one, other), max(one, other)
        return self.links.get(edge) or self.ways[edge]

    def has_way(self, node: int, address: bytes) -> bool:
        """Tells whether there can be a shortcut between a node and that of an address."""
        other = self.index_of[address]
        return (min(node, other), max(node, other)) in self.ways

    @abstractmethod
    def cut(self, one: int, other: int, *, one_way: bool = False, is_told: bool = False) -> None:
        """Cuts a link, or only its direction from `one` to `other`: silently, or noticed by the kernels at both ends."""

    @abstractmethod
    def mend(self, one: int, other: int) -> None:
        """Opens a link."""

    @abstractmethod
    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        """Changes the model of a link in both directions, or its cost."""

    @abstractmethod
    def carries(self, node: int, hop: int) -> bool:
        """Tells whether `hop` would now receive and accept what `node` sends it."""

    def cost_of(self, link: SimLink, node: int) -> int:
        """Returns what a link costs to routing at one of its ends, in units of 10 us."""
        cost = link.directions[node].cost
        return link_cost(link.round_trip_s, link.loss) if cost is None else cost

    def graph(self) -> "networkx.Graph[int]":
        """Returns the running nodes and open links."""
        graph: networkx.Graph[int] = networkx.Graph()
        graph.add_nodes_from(self.running())
        for (low, high), link in self.links.items():
            if link.is_open and low in graph and high in graph:
                graph.add_edge(low, high)
        return graph

    # Time.

    def run(self, until: float, *, events: int = 1 << 62) -> bool:
        """Runs to the time `until` or for at most `events` events; tells whether the time was reached."""
        return self.heap.run(until, events=events)

    def _tell_links_changed(self) -> None:
        for watcher in self.watchers:
            watcher.links_changed()
