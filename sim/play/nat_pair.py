"""A pair of nodes that look for a way to each other which passes no other node."""

from collections.abc import Callable
from typing import Any

from ..net.node_mesh import NodeMesh
from ..net.ways import RELAYED, Way
from .pings import PingTraffic


class NatPair:
    """Two nodes, the kinds of NATs before them, and what way their packets take."""

    def __init__(self, one: int, other: int, kinds: tuple[str, str]) -> None:
        self.ends = one, other
        self.kinds = kinds
        self.way: Way = RELAYED
        self.found_at: float | None = None  # since when packets pass no other node
        self._flows: list[int] = []  # in either direction
        self._began_at = 0.0
        self._lost_before = 0
        self._took_first_s: float | None = None

    @property
    def is_talking(self) -> bool:
        """Tells whether its packets are counted."""
        return bool(self._flows)

    def talk(self, watch: Callable[[int, int], int | None]) -> None:
        """Begins to send packets in both directions."""
        one, other = self.ends
        self._flows = [flow for ends in ((one, other), (other, one)) if (flow := watch(*ends)) is not None]

    def begin(self, mesh: NodeMesh, pings: PingTraffic) -> None:
        """Begins to look for the way that is found from now on."""
        self._began_at, self.found_at, self._took_first_s = mesh.now, None, None
        self._lost_before = self._lost(pings)

    def look(self, mesh: NodeMesh, pings: PingTraffic) -> None:
        """Takes a look at the way: of several that were found the last counts, but not where it replaces one at once."""
        self.way = mesh.shortcuts.taken(*self.ends)
        if self.way == RELAYED:
            self.found_at = None
        elif self.found_at is None:
            self.found_at = mesh.now
        if self._took_first_s is None:
            self._took_first_s = self._took_s(pings)

    def found_after_s(self) -> float | None:
        """Returns how long it took until packets passed no other node; None if they still do."""
        return None if self.found_at is None else self.found_at - self._began_at

    def lost(self, pings: PingTraffic) -> int:
        """Returns how many packets were lost since `begin`, in both directions."""
        return self._lost(pings) - self._lost_before

    def record(self, pings: PingTraffic) -> dict[str, Any]:
        """Returns the fields of its record."""
        return {
            "ends": list(self.ends),
            "kinds": list(self.kinds),
            "way": self.way,
            "found_s": self.found_after_s(),
            "before_s": self._took_first_s,
            "after_s": self._took_s(pings),
            "lost": self.lost(pings),
        }

    def _lost(self, pings: PingTraffic) -> int:
        return sum(map(pings.lost, self._flows))

    def _took_s(self, pings: PingTraffic) -> float | None:
        return pings.took_s(self._flows[0])
