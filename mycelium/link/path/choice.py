"""Which of the paths to a neighbour is used: one that is ALIVE, and of those the one with the shortest round trip.

A SUSPECT or DEAD path is left at once for one that is not silent itself: what has cut it may have cut the others too, and to
try them one after the other would cost as much time for each. A slower one is left only for one that has been clearly quicker
for a while, so that jitter moves nothing. Of paths that are about equally quick, one over a preferred medium is used. Each end
chooses for the frames that it sends.
"""

from collections.abc import Iterable
from typing import Final

from mycelium.link.path.liveness import PathState
from mycelium.link.path.path import Path

QUICKER_RATIO: Final = 0.8  # a clearly quicker path's round trip is at most this share of the one in use
QUICKER_BY_S: Final = 0.5e-3  # a clearly quicker path's round trip is shorter by at least this
QUICKER_FOR_S: Final = 3.0  # how long a path must be clearly quicker before it is chosen
# About equally quick: less than half of what makes a path clearly quicker, so that preference and speed never disagree.
EQUAL_RATIO: Final = 1.1
EQUAL_BY_S: Final = 0.25e-3


class PathChoice:
    """Remembers which path has been quicker than the one in use, and since when."""

    __slots__ = ("_candidate", "_since")

    def __init__(self) -> None:
        self._candidate: Path | None = None
        self._since = 0.0

    def best(self, active: Path, paths: Iterable[Path], *, now: float) -> Path:
        """Returns the path to use from here on: `active` unless there is a reason to leave it."""
        others = [path for path in paths if path is not active and _is_usable(path)]
        if active.liveness.state is not PathState.ALIVE:
            others = [path for path in others if not path.liveness.is_silent(now=now)]
        if not others:
            return active
        least_s = min(path.rtt.minimum(now=now) for path in others)
        equal = [path for path in others if path.rtt.minimum(now=now) <= _equal_limit_s(least_s)]
        best = min(equal, key=lambda path: (path.medium.preference, path.rtt.minimum(now=now)))
        if active.liveness.state is not PathState.ALIVE:
            return best
        return best if self._has_been_better(best, active, now=now) else active

    def _has_been_better(self, path: Path, active: Path, *, now: float) -> bool:
        rtt_s, active_s = path.rtt.minimum(now=now), active.rtt.minimum(now=now)
        is_quicker = rtt_s < min(active_s * QUICKER_RATIO, active_s - QUICKER_BY_S)
        is_preferred = path.medium.preference < active.medium.preference and rtt_s <= _equal_limit_s(active_s)
        if not is_quicker and not is_preferred:
            self._candidate = None
            return False
        if path is not self._candidate:
            self._candidate, self._since = path, now
        return now - self._since >= QUICKER_FOR_S


def _equal_limit_s(rtt_s: float) -> float:
    return max(rtt_s * EQUAL_RATIO, rtt_s + EQUAL_BY_S)


def _is_usable(path: Path) -> bool:
    return path.is_validated and path.liveness.state is PathState.ALIVE
