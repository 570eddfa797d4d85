"""Landmarks: nodes that all others keep, and of which each node chooses one as its home, and another for when that is lost.

A landmark is needed where tables are full. A node whose scope is full stands up if fewer than two landmarks are near, or four
if it is a hub: the more links it has, the sooner, so that hubs, which are near to many, are landmarks. It stands down if far
more are near than needed. Near are those that are hardly farther than the scope reaches, of a hub no farther. Where landmarks
are far away in general, as in a wide mesh of short links, a longer way to one is a small part of a path, so up to twice as far
is near too: in a plane a fourth as many do.
Nothing here happens in a network that nobody's table is too small for.
"""

from collections.abc import Callable, Iterator
from math import inf
from random import Random
from typing import Final

from mycelium.routing.advertise import Advertiser
from mycelium.routing.destination import Destination
from mycelium.routing.origin import Origin
from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.routing.pins import OWN
from mycelium.routing.scope import Scope
from mycelium.routing.selection import Selection
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.distance import INFINITY
from mycelium.wire.home_record import NOWHERE, NUMBER_LIMIT, HomeRecord

# makes a home record of this node from its sequence, the number of the record, home and backup home
Publish = Callable[[int, int, bytes, bytes], HomeRecord]

WANTED: Final = 2  # landmarks near a node, below which it stands up
WANTED_BY_HUB: Final = 4  # the same of a hub: by more hubs paths are shorter, while other landmarks help little
HUB_LINKS: Final = 32  # of a hub; where all nodes have so many, some more landmarks stand than are needed
# Share of the scope's reach. Nodes around one hub have the same others in scope: a landmark farther than these is in nobody's,
# and without this share one after the other would stand up for that.
BEYOND: Final = 1.1
WIDE: Final = 3  # a landmark is also near within the median metric to all landmarks, divided by this,
REACHES: Final = 2  # but at most so many times the scope's reach: more is not gained by claims that many are far away
TOO_MANY: Final = 6  # landmarks near a landmark that come before it, above which it stands down
MANY_LINKS: Final = 16  # a node with so many stands up after `landmark_wait_s`
HOMES: Final = 2  # of one node
NEARER: Final = 0.8  # of the metric of the present home: another must be so near to take its place


class Landmarks:
    """Whether this node is a landmark, and which ones are its homes."""

    __slots__ = (
        "_advertiser",
        "_avoided",
        "_down_at",
        "_number",
        "_origin",
        "_parameters",
        "_publish",
        "_review_at",
        "_rng",
        "_scope",
        "_selection",
        "_since",
        "_table",
        "_up_at",
        "due_at",
        "homes",
    )

    def __init__(
        self,
        *,
        table: RouteTable,
        scope: Scope,
        selection: Selection,
        origin: Origin,
        advertiser: Advertiser,
        publish: Publish,
        parameters: RoutingParameters,
        rng: Random,
        now: float,
    ) -> None:
        self._table = table
        self._scope = scope
        self._selection = selection
        self._origin = origin
        self._advertiser = advertiser
        self._publish = publish
        self._parameters = parameters
        self._rng = rng
        scope.learned(table.own)
        self._since = now  # when this node started, stood up or stood down
        self._review_at = inf
        self._up_at = inf
        self._down_at = inf
        self.due_at = inf  # when `handle_timeout` is wanted next
        self._number = 0  # of the newest home record
        # landmarks that this node was not found at, or has no room at, and until when
        self._avoided: dict[bytes, float] = {}
        self.homes: tuple[bytes, ...] = ()  # the home, and the backup home if there is one

    @property
    def is_landmark(self) -> bool:
        """Whether this node is a landmark."""
        return bool(self._origin.flags & LANDMARK)

    @property
    def home(self) -> bytes | None:
        """The landmark from which this node is reached by those that have no route to it; None while there is none."""
        return self.homes[0] if self.homes else None

    @property
    def places(self) -> tuple[bytes, ...]:
        """Where this node is reached by those that have no route to it: at its homes, or itself if it is a landmark."""
        return (self._table.own.node,) if self.is_landmark else self.homes

    def reached(self) -> Iterator[tuple[int, bytes]]:
        """Yields the metric and the node of each landmark that has a route; this node's own are 0 and itself."""
        return ((row.metric, row.node) for row in self._scope.landmarks.values() if row.metric < INFINITY)

    @property
    def are_needed(self) -> bool:
        """Whether there are nodes to which this one keeps no route, as its table is too small."""
        return self._scope.is_cutting

    def knows(self, node: bytes) -> bool:
        """Tells whether a node is a landmark."""
        return node in self._scope.landmarks

    @property
    def homed_version(self) -> int:
        """Grows whenever `homed` has changed."""
        return self._scope.pins.version

    def homed(self) -> Iterator[tuple[bytes, HomeRecord]]:
        """Yields each node that has this one as a home, and its newest record."""
        pins, own = self._scope.pins, self._table.own.node
        for node in pins.by_home.get(own, ()):
            record = pins.records.get(node)
            if record is not None and own in record.homes:
                yield node, record

    @property
    def record(self) -> HomeRecord | None:
        """The newest home record of this node."""
        return self._scope.pins.records.get(self._table.own.node)

    def avoid(self, *, now: float) -> None:
        """Leaves the home, at which this node was not found, unless there is no other."""
        if self.home is not None:
            self._avoided[self.home] = now + self._parameters.home_avoided_s
            self._review_at = self.due_at = now

    def _changed(self, row: Destination, *, now: float) -> None:
        """Follows up a change of a landmark, or of what is in scope; the loss of a home at once."""
        is_urgent = self._scope.pins.full or (row.node in self.homes and row.metric == INFINITY)
        self._review_at = min(self._review_at, now if is_urgent else now + self._parameters.home_s)

    def handle_timeout(self, *, now: float) -> None:
        """Does what is due, or follows from news about landmarks."""
        if not self._selection.news and now < self.due_at:
            return
        for row in self._selection.take_news():
            self._changed(row, now=now)
        if now >= self._review_at:
            self._choose_homes(now=now)
            self._review_at = min(self._avoided.values(), default=inf)
            self._arm(now=now)
        if now >= self._up_at:
            self._up_at = inf
            if self._is_wanted():
                self._stand(LANDMARK, now=now)
        if now >= self._down_at:
            self._down_at = inf
            if self._is_surplus():
                self._stand(0, now=now)
        self.due_at = min(self._review_at, self._up_at, self._down_at)

    def _choose_homes(self, *, now: float) -> None:
        full, self._scope.pins.full = self._scope.pins.full, {}
        self._avoided.update(dict.fromkeys(full, now + self._parameters.home_avoided_s))
        for node in [node for node, until in self._avoided.items() if until <= now]:
            del self._avoided[node]
            self._scope.pins.ask_again(self._table.own.node, node)
            self._advertiser.hurry(now=now)
        metrics = {} if self.is_landmark else {node: metric for metric, node in self.reached()}
        trusted = {node: metric for node, metric in metrics.items() if node not in self._avoided}
        before, homes = self.homes, tuple(_nearest(trusted or metrics, self.homes))
        if homes == before:
            return
        own, pins = self._table.own.node, self._scope.pins
        for home in before:
            if home not in homes:
                pins.unpin(own, home, OWN)
        for home in homes:
            if home not in before:
                pins.pin(own, home, OWN)
        self.homes = homes
        if homes and self._number + 1 < NUMBER_LIMIT:
            self._number += 1
            home, backup = (*homes, NOWHERE)[:HOMES]
            pins.learn(own, self._publish(self._origin.sequence, self._number, home, backup))
        self._advertiser.hurry(now=now)

    def _arm(self, *, now: float) -> None:
        parameters = self._parameters
        if self._up_at == inf and self._is_wanted():
            wait_s = parameters.landmark_wait_s * MANY_LINKS / len(self._table.by_address) * self._rng.uniform(0.5, 1.5)
            self._up_at = max(now, self._since + parameters.landmark_after_s) + wait_s
        if self._down_at == inf and self._is_surplus():
            self._down_at = max(now + parameters.landmark_surplus_s, self._since + parameters.landmark_least_s)

    def _is_wanted(self) -> bool:
        is_free = self._parameters.standing is Standing.AUTO and not self._parameters.is_leaf
        if self.is_landmark or not (is_free and self._scope.is_cutting and self._table.by_address):
            return False
        return len(self._near()) < wanted(len(self._table.by_address))

    def _is_surplus(self) -> bool:
        if not self.is_landmark or self._parameters.standing is Standing.YES:
            return False
        own = self._table.own
        if not self._scope.is_cutting:
            return True
        return sum(node < own.node for node in self._near()) > TOO_MANY

    def _near(self) -> list[bytes]:
        """Returns the landmarks that are near."""
        landmarks = sorted(self.reached())
        if not landmarks:
            return []
        median, _ = landmarks[len(landmarks) // 2]
        most = near_metric(len(self._table.by_address), self._scope.reach, median)
        return [node for metric, node in landmarks if metric <= most]

    def _stand(self, flag: int, *, now: float) -> None:
        self._since = now
        self._origin.flags = flag
        self._origin.want_newer(now=now)
        self._review_at = now


def wanted(links: int) -> int:
    """Returns how many landmarks must be near a node with so many links, lest it stands up."""
    return WANTED_BY_HUB if links >= HUB_LINKS else WANTED


def near_metric(links: int, reach: float, median: float) -> float:
    """Returns up to which metric landmarks are near, by the reach of the scope and the median metric to all landmarks."""
    return max(reach if links >= HUB_LINKS else reach * BEYOND, min(median / WIDE, reach * REACHES))


def _nearest(metrics: dict[bytes, int], present: tuple[bytes, ...]) -> Iterator[bytes]:
    """Yields the nearest landmark and the next one; a present home stays while no other is clearly nearer."""
    left = dict(metrics)
    for _ in range(min(HOMES, len(left))):
        nearest = min(left, key=lambda node: (left[node], node))
        kept = next((node for node in present if node in left), nearest)
        chosen = nearest if left[nearest] < left[kept] * NEARER else kept
        del left[chosen]
        yield chosen
