"""Neighbours that send far more than a link needs, and are read less until they have been within bounds for a while.

What they send is left to the socket for strangers, which is read for a share of the time: a frame that is thrown away costs
nothing only if it is not opened. Their links live on, as far as their own flood lets them.
"""

from typing import Final

from mycelium.outbox import Outbox

SLOWED_S: Final = 10.0  # after the last excess


class Slowed:
    """The neighbours that are read less, by overlay address."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._until: dict[bytes, float] = {}

    def __contains__(self, neighbour: bytes) -> bool:
        return neighbour in self._until

    def add(self, neighbour: bytes, *, now: float) -> None:
        """Slows a neighbour for a while from now."""
        if neighbour not in self._until:
            self._outbox.indices_changed()
        self._until[neighbour] = now + SLOWED_S

    def sweep(self, *, now: float) -> None:
        """Ends what is over; to be called every second."""
        over = [neighbour for neighbour, until in self._until.items() if until <= now]
        for neighbour in over:
            del self._until[neighbour]
            self._outbox.indices_changed()
