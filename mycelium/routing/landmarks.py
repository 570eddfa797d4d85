"""Landmarks: nodes that all others keep, and of which each node chooses one as its home.

A landmark is needed where tables are full. A node whose scope is full stands up if fewer than two landmarks are near: the more
links it has, the sooner, so that hubs, which are near to many, are landmarks. It stands down if far more are near than needed.
Nothing here happens in a network that nobody's table is too small for.
"""

from math import inf
from random import Random
from typing import Final

from mycelium.routing.advertise import Advertiser
from mycelium.routing.destination import Destination
from mycelium.routing.origin import Origin
from mycelium.routing.parameters import RoutingParameters
from mycelium.routing.pins import OWN
from mycelium.routing.scope import Scope
from mycelium.routing.selection import Selection
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.distance import INFINITY

WANTED: Final = 2  # landmarks near a node, below which it stands up
TOO_MANY: Final = 6  # landmarks near a landmark that come before it, above which it stands down
MANY_LINKS: Final = 16  # a node with so many stands up after `landmark_wait_s`
NEARER: Final = 0.8  # of the metric of the present home: another must be so near to take its place


class Landmarks:
    """Whether this node is a landmark, and which one is its home."""

    __slots__ = (
        "_advertiser",
        "_down_at",
        "_origin",
        "_parameters",
        "_review_at",
        "_rng",
        "_scope",
        "_selection",
        "_since",
        "_table",
        "_up_at",
        "home",
    )

    def __init__(
        self,
        *,
        table: RouteTable,
        scope: Scope,
        selection: Selection,
        origin: Origin,
        advertiser: Advertiser,
        parameters: RoutingParameters,
        rng: Random,
        now: float,
    ) -> None:
        self._table = table
        self._scope = scope
        self._selection = selection
        self._origin = origin
        self._advertiser = advertiser
        self._parameters = parameters
        self._rng = rng
        self._since = now  # when this node started, stood up or stood down
        self._review_at = inf
        self._up_at = inf
        self._down_at = inf
        self.home: bytes | None = None

    @property
    def due_at(self) -> float:
        """When `handle_timeout` is wanted next."""
        return min(self._review_at, self._up_at, self._down_at)

    @property
    def is_landmark(self) -> bool:
        """Whether this node is a landmark."""
        return bool(self._origin.flags & LANDMARK)

    def _changed(self, row: Destination, *, now: float) -> None:
        """Follows up a change of a landmark, or of what is in scope; the loss of the home at once."""
        is_urgent = row.node == self.home and row.metric == INFINITY
        self._review_at = min(self._review_at, now if is_urgent else now + self._parameters.home_s)

    def handle_timeout(self, *, now: float) -> None:
        """Does what is due, or follows from news about landmarks."""
        for row in self._selection.take_news():
            self._changed(row, now=now)
        if now >= self._review_at:
            self._review_at = inf
            self._choose_home(now=now)
            self._arm(now=now)
        if now >= self._up_at:
            self._up_at = inf
            if self._is_wanted():
                self._stand(LANDMARK, now=now)
        if now >= self._down_at:
            self._down_at = inf
            if self._is_surplus():
                self._stand(0, now=now)

    def _choose_home(self, *, now: float) -> None:
        home = None
        if not self.is_landmark:
            reached = (row for row in self._scope.landmarks.values() if row.metric < INFINITY)
            nearest = min(reached, key=lambda row: (row.metric, row.node), default=None)
            if nearest is not None:
                home = nearest.node
                present = self._table.rows.get(self.home) if self.home is not None else None
                if (
                    present is not None
                    and present.node in self._scope.landmarks
                    and nearest.metric >= present.metric * NEARER
                ):
                    home = present.node
        if home == self.home:
            return
        own, pins = self._table.own.node, self._scope.pins
        if self.home is not None:
            pins.unpin(own, self.home, OWN)
        if home is not None:
            pins.pin(own, home, OWN)
        self.home = home
        self._advertiser.hurry(now=now)

    def _arm(self, *, now: float) -> None:
        parameters = self._parameters
        if self._up_at == inf and self._is_wanted():
            wait_s = parameters.landmark_wait_s * MANY_LINKS / len(self._table.by_address) * self._rng.uniform(0.5, 1.5)
            self._up_at = max(now, self._since + parameters.landmark_after_s) + wait_s
        if self._down_at == inf and self._is_surplus():
            self._down_at = max(now + parameters.landmark_surplus_s, self._since + parameters.landmark_least_s)

    def _is_wanted(self) -> bool:
        if self.is_landmark or not self._scope.is_cutting or not self._table.by_address:
            return False
        return sum(row.near for row in self._scope.landmarks.values()) < WANTED

    def _is_surplus(self) -> bool:
        if not self.is_landmark:
            return False
        own = self._table.own
        if not self._scope.is_cutting:
            return True
        return sum(row.near and row.node < own.node for row in self._scope.landmarks.values()) > TOO_MANY

    def _stand(self, flag: int, *, now: float) -> None:
        self._since = now
        self._origin.flags = flag
        self._origin.want_newer(now=now)
        self._review_at = now
