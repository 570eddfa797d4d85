"""Whole nodes that lie: what they tell of routes, and what they do with the trains that they should forward.

A lying node is an ordinary one that changes its class after its start. It keeps its links, and talks for itself as all do.
"""

from math import inf
from typing import Any, Final

from msgspec import structs

from mycelium.dataplane.reachability import Reachability
from mycelium.dataplane.receiving import Receiving
from mycelium.link.link import Link
from mycelium.node.home_registry import HomeRegistry
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.wire.control import Digest, Item, Update
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.train import DEFLECTED

from .liar import falsify
from .network import BOTH_SUITES

SWING_S: Final = 3.0  # between a lie and its retraction

# What becomes of the routes that a node tells of, by how it lies; None: it tells the truth of routes.
_LIES: Final = {
    "drop": None,
    "attract": "attract",
    "swing": "attract",
    "forge": "forge",
    "impersonate": "impersonate",
    "bounce": "attract",
    "hide": None,
}
HIDING: Final = "hide"  # a liar that stands as a landmark, for those that choose it as their home
WAYS_TO_LIE: Final = tuple(_LIES)


def corrupt(node: Node, how: str) -> None:
    """Makes a liar of a node that has just been started."""
    if how == HIDING:
        node._data_path.registry.__class__ = _Withholding
    node.receiving.__class__ = {"bounce": _Bouncing, HIDING: _Hiding}.get(how, _Dropping)
    engine = node.routing
    engine.__class__ = LyingEngine
    assert isinstance(engine, LyingEngine)
    engine.lie, engine.told, engine.retracts = _LIES[how], {}, False


def settings_of(how: str | None, *, shortcuts: bool, routing: RoutingParameters) -> NodeSettings:
    """Returns the settings of a liar, or of an honest node."""
    routing = structs.replace(routing, standing=Standing.YES) if how == HIDING else routing
    return NodeSettings(suites=BOTH_SUITES, shortcuts=shortcuts, routing=routing)


class _Dropping(Receiving):
    """Drops all trains of other nodes, without an error."""

    def _next_link(
        self, header: object, frame: memoryview, position: int, end: int, neighbour: bytes, *, now: float
    ) -> Link | None:
        return None


class _Bouncing(Receiving):
    """Sends trains of other nodes back to the neighbour that they came from, as if they had never been deflected."""

    def _next_link(
        self, header: object, frame: memoryview, position: int, end: int, neighbour: bytes, *, now: float
    ) -> Link | None:
        frame[position] -= 1  # of the hop limit, without which trains would bounce for ever
        frame[position + 1] &= ~DEFLECTED
        return self._links.get(neighbour) if frame[position] else None


class _Hiding(Receiving):
    """Drops the trains that come to it as the home of another node; forwards what only passes."""

    def _unwrap(self, header: tuple[Any, ...], train: memoryview) -> tuple[Any, ...]:
        return header if header[7] == self._own_address else super()._unwrap(header, train)


class _Withholding(HomeRegistry):
    """Denies every node that it has a record of, and hands none over."""

    def of(self, subnet: bytes) -> list[HomeRecord]:
        return []

    def _hand_over(self, *, now: float) -> None:
        self._due_at = inf


class Credulous(Reachability):
    """Never finds out that what it sends does not arrive, so that there is something to compare with."""

    def look(self, *, now: float) -> None:
        pass


class LyingEngine(RoutingEngine):
    """Falsifies what it tells neighbours, digests included, so that nobody has a reason to ask again."""

    lie: str | None
    told: dict[bytes, dict[bytes, int]]  # by neighbour: node -> the distance that it was told
    retracts: bool  # at present, what it has told

    @property
    def outbox(self) -> list[tuple[bytes, list[Item]]]:
        """Items to be sent: those of the engine, falsified on first sight."""
        batches = self._advertiser.outbox
        batches[:] = [
            (to, items if isinstance(items, _Falsified) else self._falsified(to, items)) for to, items in batches
        ]
        return batches

    def neighbour_up(self, neighbour: bytes, cost: int, *, now: float) -> bool:
        self.told.pop(neighbour, None)
        return super().neighbour_up(neighbour, cost, now=now)

    def swing(self, *, now: float) -> None:
        """Retracts all that it has told, or tells it again."""
        self.retracts = not self.retracts
        for row in self._table.rows.values():
            row.current = 0
        for neighbour in self._table.by_address.values():
            self._advertiser.dump(neighbour, now=now)

    def _falsified(self, to: bytes, items: list[Item]) -> list[Item]:
        told = self.told.setdefault(to, {})
        lies = items if self.lie is None else falsify(self.lie, items, self.node)
        return _Falsified(self._told(item, told) for item in lies)

    def _told(self, item: Item, told: dict[bytes, int]) -> Item:
        """Returns what a neighbour is told in place of an item, which is noted in `told`."""
        if isinstance(item, Digest):
            return digest_of(sum(share_of(node, packed) for node, packed in told.items()))
        if not isinstance(item, Update):
            return item
        if self.retracts and item.node != self.node:
            item = structs.replace(item, distance=distance(item.sequence, INFINITY))
        if item.metric == INFINITY:
            told.pop(item.node, None)
        else:
            told[item.node] = item.distance
        return item


class _Falsified(list[Item]):
    """Items that have been falsified."""
