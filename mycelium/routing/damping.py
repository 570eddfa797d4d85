"""Flap damping: a link that fails repeatedly is made expensive for a while, so that routes do not follow its every change.

A damped link is expensive, not unusable: destinations with another route take that, others keep this one. The only link of a
node is never damped, nor is any link before its third failure in a row. Failures are in a row if the link was up for less than
a minute before each; a restart of the neighbour clears them.
"""

from typing import Final

from mycelium.limits import NEIGHBOURS
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.parameters import RoutingParameters

FREE_FAILURES: Final = 2  # failures in a row without damping, as when a cable is moved


class FlapDamping:
    """Counts the failures of links, by neighbour."""

    __slots__ = ("_failures", "_parameters")

    def __init__(self, parameters: RoutingParameters) -> None:
        self._parameters = parameters
        self._failures: dict[bytes, tuple[int, int]] = {}  # by node: failures in a row, epoch at the last one

    def failed(self, neighbour: Neighbour, epoch: int, *, now: float) -> None:
        """Counts a failure of the link to a neighbour of that epoch."""
        count, known = self._failures.pop(neighbour.node, (0, 0))
        if epoch > known or now - neighbour.up_since >= self._parameters.damping_forgiven_s:
            count = 0
        self._failures[neighbour.node] = (count + 1, max(epoch, known))
        if len(self._failures) > NEIGHBOURS:
            del self._failures[next(iter(self._failures))]

    def hold_s(self, node: bytes) -> float:
        """Returns for how many seconds a new link to this neighbour is to be damped."""
        failures, _ = self._failures.get(node, (0, 0))
        excess = failures - FREE_FAILURES
        if excess <= 0:
            return 0.0
        return min(self._parameters.damping_unit_s * (1 << min(excess - 1, 16)), self._parameters.damping_ceiling_s)

    def clear_if_restarted(self, node: bytes, epoch: int) -> bool:
        """Tells whether a neighbour of that epoch restarted since its last failure; if so, clears its failures."""
        _, known = self._failures.get(node, (0, 0))
        if epoch <= known:
            return False
        self._failures.pop(node, None)
        return True
