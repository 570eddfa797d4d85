"""What a link costs, in units of 10 us, and when a changed cost is told to the network.

A linear delay metric: unlike RFC 9616, whose penalty saturates, the difference between 1 and 2 ms counts as much as the
one between 201 and 202 ms.
"""

from typing import Final

from mycelium.wire.control import INFINITY

COST_UNIT_S: Final = 1e-5
HOP_COST_S: Final = 0.3e-3  # what crossing a node costs beside the wire
LOSS_WEIGHT: Final = 3.0  # a frame lost costs about three times its delay

PUBLISH_RATIO: Final = 0.05
PUBLISH_FLOOR: Final = 50  # 0.5 ms
WORSE_SAMPLES: Final = 3  # a worse link hurts at once
BETTER_SAMPLES: Final = 10  # an improvement lowers feasibility distances everywhere: only one that lasts is told


def link_cost(rtt_s: float, loss: float) -> int:
    """Returns the cost of a link in units of 10 us, from 1 up to just below INFINITY.

    `rtt_s` is the minimum over a window, so that queueing delay does not move routes; `loss` is a share, 0 to 1.
    """
    one_way_s = max(rtt_s, 0.0) / 2 + HOP_COST_S
    cost = one_way_s / COST_UNIT_S * (1 + LOSS_WEIGHT * min(max(loss, 0.0), 1.0))
    return max(1, min(round(cost), INFINITY - 1))


class PublishedCost:
    """The cost that routing knows of a link: it follows samples only when they moved far enough for long enough."""

    __slots__ = ("_better", "_worse", "cost")

    def __init__(self) -> None:
        self.cost: int | None = None
        self._worse: list[int] = []
        self._better: list[int] = []

    def update(self, cost: int, now: float) -> int | None:
        """Takes one sample and returns the cost to publish, or None while the published one stands.

        Of a run of samples the one nearest to the published cost counts: all of them went at least that far.
        """
        if self.cost is None:
            self.cost = cost
            return cost
        threshold = max(self.cost * PUBLISH_RATIO, PUBLISH_FLOOR)
        self._worse = [*self._worse, cost] if cost > self.cost + threshold else []
        self._better = [*self._better, cost] if cost < self.cost - threshold else []
        if len(self._worse) >= WORSE_SAMPLES:
            return self._publish(min(self._worse))
        if len(self._better) >= BETTER_SAMPLES:
            return self._publish(max(self._better))
        return None

    def _publish(self, cost: int) -> int:
        self.cost = cost
        self._worse = []
        self._better = []
        return cost
