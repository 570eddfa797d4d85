"""The loss of the last minute, for people: what they would see who sent as many packets beside it.

Loss that is smoothed over a number of frames is remembered for a quarter of an hour where little is sent.
"""

from collections import deque
from math import inf
from typing import Final

WINDOW_S: Final = 60.0
BUCKET_S: Final = 5.0  # resolution of the window: bounds its memory for any number of reports


class LossWindow:
    """Frames sent and lost, by the time at which that became known."""

    __slots__ = ("_began", "_buckets", "_frames", "_lost")

    def __init__(self) -> None:
        self._buckets: deque[tuple[float, int, int]] = deque()  # start, frames, lost
        self._began, self._frames, self._lost = -inf, 0, 0  # the newest bucket

    def note(self, frames: int, lost: int, *, now: float) -> None:
        """Takes a report; `lost` is negative where frames came late that were reported lost before."""
        if now - self._began >= BUCKET_S:
            self._buckets.append((self._began, self._frames, self._lost))
            self._began, self._frames, self._lost = now, 0, 0
            self._forget(now=now)
        self._frames += frames
        self._lost += lost

    def share(self, *, now: float) -> float | None:
        """Returns the share of frames lost, 0 to 1; None where nothing is known of the last WINDOW_S seconds."""
        self._forget(now=now)
        is_new = self._began >= now - WINDOW_S
        frames = sum(frames for _, frames, _ in self._buckets) + self._frames * is_new
        lost = sum(lost for *_, lost in self._buckets) + self._lost * is_new
        return min(max(lost / frames, 0.0), 1.0) if frames else None

    def clear(self) -> None:
        """Forgets everything."""
        self._buckets.clear()
        self._began, self._frames, self._lost = -inf, 0, 0

    def _forget(self, *, now: float) -> None:
        while self._buckets and self._buckets[0][0] < now - WINDOW_S:
            self._buckets.popleft()
