"""How many entries each table of routing has."""

from collections.abc import Callable
from functools import partial
from typing import Final

from mycelium.counters import Registry
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.requests import Requests
from mycelium.routing.scope import Scope
from mycelium.routing.source import ForgottenSources
from mycelium.routing.table import RouteTable


class Sizes:
    """Counts the entries of the tables of one engine."""

    __slots__ = ("forwarding", "requests", "scope", "sources", "table")

    def __init__(
        self,
        table: RouteTable,
        forwarding: ForwardingTable,
        sources: ForgottenSources,
        scope: Scope,
        requests: Requests,
    ) -> None:
        self.table = table
        self.forwarding = forwarding
        self.sources = sources
        self.scope = scope
        self.requests = requests

    def read(self) -> dict[str, int]:
        """Returns all sizes by name."""
        return {name: count(self) for name, _, count in _SIZES}

    def register(self, metrics: Registry, *, prefix: str) -> None:
        """Adds the sizes to a registry."""
        for name, help, count in _SIZES:
            metrics.add_gauge(prefix + name, help, partial(count, self))


_SIZES: Final[tuple[tuple[str, str, Callable[[Sizes], int]], ...]] = (
    ("neighbours", "Neighbours that routing exchanges routes with.", lambda of: len(of.table.by_address)),
    ("destinations", "Known nodes, this one included.", lambda of: len(of.table.rows)),
    ("selected_routes", "Nodes with a route in use.", lambda of: len(of.forwarding.next_hop)),
    ("dying_destinations", "Nodes whose source entry is about to expire.", lambda of: len(of.table.dying)),
    ("forgotten_sources", "Forgotten nodes whose newest sequence is remembered.", lambda of: len(of.sources)),
    ("landmarks", "Nodes that stand as landmarks.", lambda of: len(of.scope.landmarks)),
    ("pins", "Nodes that are kept in scope on the way to their homes.", lambda of: len(of.scope.pins)),
    ("pending_requests", "Sequence-number requests without an answer.", lambda of: len(of.requests.pending)),
)
