"""Which of the paths to a neighbour is used: one that is alive, and of those the quickest.

A path in doubt is left at once. One that is merely slower is left only for one that has been clearly quicker for a while:
jitter moves nothing. Each end chooses for what it sends.
"""

from collections.abc import Iterable
from typing import Final

from mycelium.link.path.liveness import PathState
from mycelium.link.path.path import Path

QUICKER_RATIO: Final = 0.8
QUICKER_BY_S: Final = 0.5e-3
QUICKER_FOR_S: Final = 3.0


class PathChoice:
    """Remembers which path has been the quicker one, and since when."""

    __slots__ = ("_candidate", "_since")

    def __init__(self) -> None:
        self._candidate: Path | None = None
        self._since = 0.0

    def best(self, active: Path, paths: Iterable[Path], *, now: float) -> Path:
        """Returns the path to use from here on: `active` where nothing speaks against it."""
        others = [path for path in paths if path is not active and _is_usable(path)]
        nearest = min(others, key=lambda path: path.rtt.minimum(now=now), default=None)
        if nearest is None:
            return active
        if active.liveness.state is not PathState.ALIVE:
            return nearest
        return nearest if self._has_been_quicker(nearest, active, now) else active

    def _has_been_quicker(self, path: Path, active: Path, now: float) -> bool:
        limit_s = active.rtt.minimum(now=now)
        if path.rtt.minimum(now=now) >= min(limit_s * QUICKER_RATIO, limit_s - QUICKER_BY_S):
            self._candidate = None
            return False
        if path is not self._candidate:
            self._candidate, self._since = path, now
        return now - self._since >= QUICKER_FOR_S


def _is_usable(path: Path) -> bool:
    return path.is_validated and path.liveness.state is PathState.ALIVE
