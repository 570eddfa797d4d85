"""A mesh under simulation, of either fidelity: nodes by number, links between them, and what may be done to both.

Scenarios, oracle, invariants and traffic know this interface only. All randomness comes from the seed, and a name for what
it is drawn for, so that one more drawing in one place changes nothing in another.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from random import Random
from typing import Final, Protocol

import networkx

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.metric import link_cost
from mycelium.wire.announcement import Announcement
from sim.net.events import EventHeap
from sim.net.link import LinkModel, SimLink
from sim.net.run_log import RunLog

FIRST_EPOCH: Final = 1_000_000  # seconds, as a clock would give it


class Watcher(Protocol):
    """Who looks at a mesh while it runs."""

    def routes_changed(self, node: int) -> None:
        """Called at the end of an event in which a next hop of this node has changed."""

    def links_changed(self) -> None:
        """Called when a link, or a node, has come or gone or is noticed to have."""

    def link_lost(self, node: int, neighbour: int, cause: str, *, is_false: bool) -> None:
        """Called when a whole node gives up a neighbour; falsely if for a silence in which the link carried all the while."""


class Mesh(ABC):
    """Nodes 0, 1, 2 ... and their links; a node that is down has no engine."""

    def __init__(self, *, seed: int, link_defaults: dict[str, float]) -> None:
        self.seed = seed
        self.heap = EventHeap()
        self.log = RunLog()
        self.watchers: list[Watcher] = []
        self.links: dict[tuple[int, int], SimLink] = {}  # by (lower, higher)
        self.index_of: dict[bytes, int] = {}  # by address
        self.epochs: dict[int, int] = {}  # the newest of each node
        self.liars: dict[int, str] = {}  # node -> how it lies
        self.last_activity = 0.0  # when routing last said anything but a digest
        self.tables: dict[bytes, dict[bytes, bytes]] = {}  # by address of a running node: destination -> next hop
        self._link_defaults = link_defaults

    @property
    def messages(self) -> int:
        """Control messages that all nodes have sent."""
        return sum(self.messages_sent(node) for node in self.epochs)

    @property
    def now(self) -> float:
        """Virtual time, seconds."""
        return self.heap.now

    def rng(self, purpose: str) -> Random:
        """Returns dice for one purpose."""
        return Random(f"{self.seed}/{purpose}")

    # Nodes.

    @abstractmethod
    def start(self, node: int, *, epoch: int | None = None) -> None:
        """Starts a node that is down, without any memory; the epoch grows by itself where none is given."""

    @abstractmethod
    def stop(self, node: int, *, says_goodbye: bool = False) -> None:
        """Stops a node, without a word unless it is to say goodbye to its neighbours."""

    @abstractmethod
    def engine(self, node: int) -> RoutingEngine | None:
        """Returns the routing of a node, None while it is down."""

    @abstractmethod
    def address(self, node: int) -> bytes:
        """Returns the overlay address of a node."""

    @abstractmethod
    def is_signed(self, address: bytes, announcement: Announcement) -> bool:
        """Tells whether the node of that address, and nobody else, has signed this."""

    @abstractmethod
    def bytes_sent(self, node: int) -> int:
        """Returns the control bytes that a node has sent over all its lives, UDP and IP headers apart."""

    @abstractmethod
    def messages_sent(self, node: int) -> int:
        """Returns how many control messages a node has sent over all its lives."""

    def running(self) -> Iterator[int]:
        """Yields the nodes that are up, in ascending order."""
        return (node for node in sorted(self.epochs) if self.engine(node) is not None)

    def next_epoch(self, node: int) -> int:
        """Returns what a good clock and memory give a node for its next start."""
        return max(self.epochs.get(node, 0) + 1, FIRST_EPOCH + int(self.now))

    # Links.

    def add_link(self, one: int, other: int, *, delay_s: float, cost: int | None = None) -> SimLink:
        """Lays a link, closed at first; the defaults of the mesh fill its model."""
        low, high = min(one, other), max(one, other)
        model = LinkModel(**{**self._link_defaults, "delay_s": delay_s})  # type: ignore[arg-type]
        link = SimLink(low, high, model, self.rng(f"link/{low}/{high}/{self.heap.handled}"), cost)
        link.close()
        self.links[low, high] = link
        return link

    def remove_link(self, one: int, other: int) -> None:
        """Cuts a link for ever."""
        low, high = min(one, other), max(one, other)
        self.cut(low, high)
        del self.links[low, high]

    def link(self, one: int, other: int) -> SimLink:
        """Returns the link between two nodes; KeyError where there is none."""
        return self.links[min(one, other), max(one, other)]

    @abstractmethod
    def cut(self, one: int, other: int, *, one_way: bool = False, is_told: bool = False) -> None:
        """Cuts a link silently, or only its direction from `one` to `other`; or the kernels at its ends tell their nodes."""

    @abstractmethod
    def mend(self, one: int, other: int) -> None:
        """Opens a link."""

    @abstractmethod
    def reshape(self, one: int, other: int, *, cost: int | None = None, **changes: float) -> None:
        """Changes values of a link's model, both ways, or what the link is said to cost."""

    @abstractmethod
    def carries(self, node: int, hop: int) -> bool:
        """Tells whether what `node` hands to `hop` at this moment arrives there and is understood."""

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
        """Lets time pass up to `until`, or for so many events; tells whether it stopped for the time."""
        return self.heap.run(until, events=events)

    def _tell_links_changed(self) -> None:
        for watcher in self.watchers:
            watcher.links_changed()
