"""Links that die again and again: what they cost for a while, so that a mesh does not follow every twitch of a bad one.

A damped link is dear, not closed: whatever has another way takes that, and what has none keeps this one. The only link of a
node is not damped at all, nor is one before its third death in a row. A death is one in a row if the link had lived for less
than a minute; a neighbour that was restarted starts afresh.
"""

from typing import Final

from mycelium.limits import LINKS
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters

FREE_DEATHS: Final = 2  # in a row: a cable that is moved, a walk through the house


class FlapDamping:
    """How often the links to neighbours have died, and for how long that counts."""

    __slots__ = ("_deaths", "_parameters")

    def __init__(self, parameters: RoutingParameters) -> None:
        self._parameters = parameters
        self._deaths: dict[bytes, tuple[int, int]] = {}  # by address: deaths in a row, epoch at the last one

    def died(self, neighbour: Neighbour, epoch: int, *, now: float) -> None:
        """Notes the death of a link to a neighbour of that epoch."""
        count, known = self._deaths.pop(neighbour.address, (0, 0))
        if epoch > known or now - neighbour.up_since >= self._parameters.damping_forgiven_s:
            count = 0
        self._deaths[neighbour.address] = (count + 1, max(epoch, known))
        if len(self._deaths) > LINKS:
            del self._deaths[next(iter(self._deaths))]

    def hold_s(self, address: bytes) -> float:
        """Returns for how many seconds a link to this neighbour that comes up is to stay dear."""
        deaths, _ = self._deaths.get(address, (0, 0))
        excess = deaths - FREE_DEATHS
        if excess <= 0:
            return 0.0
        return min(self._parameters.damping_unit_s * (1 << min(excess - 1, 16)), self._parameters.damping_ceiling_s)

    def is_over(self, address: bytes, epoch: int) -> bool:
        """Tells whether a neighbour of that epoch has restarted since its last death, and forgives it if so."""
        _, known = self._deaths.get(address, (0, 0))
        if epoch <= known:
            return False
        self._deaths.pop(address, None)
        return True
