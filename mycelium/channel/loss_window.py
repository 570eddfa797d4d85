"""The loss of the last minute, for people: what they would see who sent as many packets beside it.

Loss that is smoothed over a number of frames is remembered for a quarter of an hour where little is sent.
"""

from collections import deque
from typing import Final

WINDOW_S: Final = 60.0
BUCKET_S: Final = 5.0  # resolution of the window: bounds its memory for any number of reports


class LossWindow:
    """Frames sent and lost, by the time at which that became known."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: deque[tuple[float, int, int]] = deque()  # start, frames, lost

    def note(self, frames: int, lost: int, *, now: float) -> None:
        """Takes a report; `lost` is negative where frames came late that were reported lost before."""
        if self._buckets and now - self._buckets[-1][0] < BUCKET_S:
            began, frames_before, lost_before = self._buckets.pop()
            self._buckets.append((began, frames_before + frames, lost_before + lost))
            return
        self._buckets.append((now, frames, lost))
        self._forget(now=now)

    def share(self, *, now: float) -> float | None:
        """Returns the share of frames lost, 0 to 1; None where nothing is known of the last WINDOW_S seconds."""
        self._forget(now=now)
        frames = sum(frames for _, frames, _ in self._buckets)
        lost = sum(lost for *_, lost in self._buckets)
        return min(max(lost / frames, 0.0), 1.0) if frames else None

    def clear(self) -> None:
        """Forgets everything."""
        self._buckets.clear()

    def _forget(self, *, now: float) -> None:
        while self._buckets and self._buckets[0][0] < now - WINDOW_S:
            self._buckets.popleft()
