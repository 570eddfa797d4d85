"""The figures that a run measures and on which a scenario can promise upper bounds.

outage_max_s, outage_median_s   outages of watched flows while a path existed, by the forwarding tables
gap_max_s, gap_median_s         the longest time without an arriving packet, of each flow; whole nodes only
ping_loss                       share of packets that were lost; whole nodes only
false_dead                      links given up although they carried datagrams throughout; whole nodes only
detours                         ends of links that use the slower of two lanes when the run ends; whole nodes only
hop_limit                       trains dropped because of their hop limit; whole nodes only
ways_relayed                    pairs of nodes behind NATs that have no link in the end
way_max_s                       how long the slowest of the others took until they had one
packets_lost                    packets of pairs behind NATs that were lost
pairs_silent                    honest pairs of which one does not hear the other at the last look
route_changes                   next hops selected since the step `measure`
route_changes_per_minute        the most of those within a minute, for one node and destination
"""

from collections import deque
from statistics import median
from typing import Any, Final

from ..net.mesh import Mesh
from ..net.node_mesh import NodeMesh
from .flows import FlowWatch
from .pings import PingTraffic

NAMES: Final = (
    "outage_max_s",
    "outage_median_s",
    "gap_max_s",
    "gap_median_s",
    "ping_loss",
    "false_dead",
    "detours",
    "hop_limit",
    "ways_relayed",
    "way_max_s",
    "packets_lost",
    "pairs_silent",
    "route_changes",
    "route_changes_per_minute",
)
ALWAYS: Final = {"hop_limit": 0.0}  # promised by all scenarios
MINUTE_S: Final = 60.0
_PLACES: Final = 6


class Figures:
    """Measures from the start of a run, or from the last call of `start_over`."""

    def __init__(self, mesh: Mesh, flows: FlowWatch) -> None:
        self._mesh = mesh
        self._flows = flows
        self._is_measuring = False  # whether route changes are kept: during a cold start there are too many
        self._changed_at: dict[tuple[int, bytes], deque[float]] = {}  # by node and destination, within a minute
        self._changes = 0
        self._most_a_minute = 0
        self._restless: tuple[int, int] | None = None  # node and destination with the most changes in a minute
        self.ways_s: list[float | None] = []  # of pairs behind NATs: time until they had a link; None: they have none
        self.packets_lost = 0  # by those pairs
        self.pairs_silent: int | None = None  # None: nobody has looked
        self.false_dead: list[tuple[float, int, int]] = []  # when, node, neighbour

    def start_over(self, pings: PingTraffic | None) -> None:
        """Discards what was measured, and measures route changes from now on too."""
        self._is_measuring = True
        self._changed_at.clear()
        self._changes = self._most_a_minute = 0
        self._restless = None
        self.false_dead.clear()
        self.ways_s.clear()
        self.packets_lost = 0
        self.pairs_silent = None
        self._flows.start_over()
        if pings is not None:
            pings.start_over()

    def routes_changed(self, node: int) -> None:
        """Counts the newest changes of a node's next hops. A lost route counts once there is a next hop again."""
        engine = self._mesh.engine(node)
        if not self._is_measuring or engine is None:
            return
        now = self._mesh.now
        for _, destination, _, after, _ in engine.changes:
            if after is None:
                continue
            self._changes += 1
            times = self._changed_at.setdefault((node, destination), deque())
            while times and times[0] < now - MINUTE_S:
                times.popleft()
            times.append(now)
            if len(times) > self._most_a_minute:
                self._most_a_minute = len(times)
                self._restless = node, self._mesh.index_of[destination]

    def values(self, pings: PingTraffic | None) -> dict[str, float]:
        """Returns the figures that were measured, by name."""
        found: dict[str, float] = {}
        if self._flows.flows:
            out_s = self._flows.avoidable_s() or [0.0]
            found |= {"outage_max_s": max(out_s), "outage_median_s": median(out_s)}
        if pings is not None and pings.sent:
            gaps_s = pings.gaps_s()
            found |= {"gap_max_s": max(gaps_s), "gap_median_s": median(gaps_s)}
            found["ping_loss"] = max(0.0, 1 - pings.arrived / pings.sent)
        if isinstance(self._mesh, NodeMesh):
            found |= {"false_dead": len(self.false_dead), "hop_limit": self._mesh.hop_limit_deaths()}
            found["detours"] = len(self._mesh.detours())
        if self.ways_s:
            found_s = [way_s for way_s in self.ways_s if way_s is not None]
            found |= {"ways_relayed": len(self.ways_s) - len(found_s), "packets_lost": self.packets_lost}
            found |= {"way_max_s": max(found_s)} if found_s else {}
        if self.pairs_silent is not None:
            found["pairs_silent"] = self.pairs_silent
        if self._is_measuring:
            found |= {"route_changes": self._changes, "route_changes_per_minute": self._most_a_minute}
        return {name: round(value, _PLACES) for name, value in found.items()}

    def broken(self, promises: dict[str, float], pings: PingTraffic | None) -> list[dict[str, Any]]:
        """Returns a violation record for each promised figure that exceeds its bound or was never measured."""
        found = self.values(pings)
        whole_nodes = isinstance(self._mesh, NodeMesh)
        return [
            self._violation(name, bound, found.get(name))
            for name, bound in {**ALWAYS, **promises}.items()
            if (name in found or whole_nodes) and not found.get(name, bound + 1) <= bound
        ]

    def _violation(self, name: str, bound: float, value: float | None) -> dict[str, Any]:
        details: dict[str, Any] = {"promise": name, "bound": bound, "found": value}
        if name == "false_dead":
            details["links"] = [[at, node, neighbour] for at, node, neighbour in self.false_dead[:20]]
            details["nodes"] = sorted({node for _, *ends in self.false_dead for node in ends})
        if name == "route_changes_per_minute" and self._restless is not None:
            details["nodes"] = list(self._restless)
        return {"type": "violation", "t": self._mesh.now, "what": "promise broken", **details}
