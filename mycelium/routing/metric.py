"""What a link costs, in units of 10 us, and when a changed cost is told to the network.

A linear delay metric: unlike RFC 9616, whose penalty saturates, the difference between 1 and 2 ms counts as much as the
one between 201 and 202 ms.
"""

from math import inf
from typing import Final

from mycelium.wire.distance import INFINITY

COST_UNIT_S: Final = 1e-5
HOP_COST_S: Final = 0.3e-3  # what crossing a node costs beside the wire
LOSS_WEIGHT: Final = 3.0  # a frame lost costs about three times its delay

PUBLISH_RATIO: Final = 0.05
PUBLISH_FLOOR: Final = 50  # 0.5 ms
WORSE_SAMPLES: Final = 3  # a worse link hurts at once
WORSE_SPAN_S: Final = 0.3  # from the first to the last of them: a moment's delay is no worse link
BETTER_SAMPLES: Final = 10  # an improvement lowers feasibility distances everywhere: only one that lasts is told
BETTER_SPAN_S: Final = 0.15
SURE_RATIO: Final = 0.25  # beyond it, and beyond SURE_JITTERS times its jitter, a change is one of the link
SURE_JITTERS: Final = 2.0
UNSURE_PATIENCE: Final = 10  # below it that many times more samples are wanted, ...
YOUNG_S: Final = 30.0  # ... but of improvements not so soon after the first sample, which a handshake may have delayed
UNSURE_SPAN_S: Final = 30.0  # a rise that is small, or may be a queue's, is told only when it has lasted so long
SWING_S: Final = 60.0  # an improvement so soon after a worsening undoes it: traffic that left a full link emptied it
CALM_FLOOR_S: Final = 5.0  # how long the next improvement must last then; doubles with each
CALM_CEILING_S: Final = 120.0


def link_cost(rtt_s: float, loss: float) -> int:
    """Returns the cost of a link in units of 10 us, from 1 up to just below INFINITY.

    `rtt_s` is the minimum over a window, so that queueing delay does not move routes; `loss` is a share, 0 to 1.
    """
    one_way_s = max(rtt_s, 0.0) / 2 + HOP_COST_S
    cost = one_way_s / COST_UNIT_S * (1 + LOSS_WEIGHT * min(max(loss, 0.0), 1.0))
    return max(1, min(round(cost), INFINITY - 1))


class PublishedCost:
    """The cost that routing knows of a link: it follows samples only when they moved far enough for long enough.

    A cost that swings, because the traffic that it draws makes it rise, comes down later each time: routes would swing too.
    """

    __slots__ = (
        "_better",
        "_calm_s",
        "_much_better",
        "_much_worse",
        "_since",
        "_swung_at",
        "_worse",
        "_worsened_at",
        "cost",
    )

    def __init__(self) -> None:
        self.cost: int | None = None
        self._since = 0.0  # when the first sample came
        self._worsened_at = self._swung_at = -inf
        self._calm_s = BETTER_SPAN_S  # for how long an improvement must last
        self._worse = _Streak(WORSE_SAMPLES)
        self._much_worse = _Streak(WORSE_SAMPLES)
        self._better = _Streak(BETTER_SAMPLES)
        self._much_better = _Streak(BETTER_SAMPLES)

    def update(
        self, cost: int, *, newest: int = 0, is_steady: bool = True, jitter_s: float = 0.0, now: float
    ) -> int | None:
        """Takes one sample and returns the cost to publish, or None while the published one stands.

        `cost` comes of the least round trip of a window. For an improvement each round trip has to speak, by the cost that
        the `newest` makes: one that was lucky stays the least for long. A rise is believed soon only where the round trips
        behind it agree (`is_steady`). What is less than the round trips differ from one to the next, `jitter_s`, changes
        nothing.

        Of a run of samples the one nearest to the published cost counts: all of them went at least that far.
        """
        if self.cost is None:
            self.cost, self._since = cost, now
            return cost
        jitter = jitter_s / COST_UNIT_S
        told = max(self.cost * PUBLISH_RATIO, PUBLISH_FLOOR, jitter)
        sure = max(self.cost * SURE_RATIO, told, SURE_JITTERS * jitter)
        rise, fall = cost - self.cost, max(cost, newest) - self.cost
        self._worse.take(rise, counts=rise > told, now=now)
        self._much_worse.take(rise, counts=rise > sure and is_steady, now=now)
        self._better.take(fall, counts=fall < -told, now=now)
        self._much_better.take(fall, counts=fall < -sure, now=now)
        patience = 1 if now < self._since + YOUNG_S else UNSURE_PATIENCE
        lasting = (
            self._much_worse.lasting(1, WORSE_SPAN_S, now=now)
            or self._much_better.lasting(1, self._calm_s, now=now)
            or self._worse.lasting(UNSURE_PATIENCE, UNSURE_SPAN_S, now=now)
            or self._better.lasting(patience, self._calm_s, now=now)
        )
        if not lasting:
            return None
        self.cost += lasting
        self._note(lasting, now=now)
        for run in (self._worse, self._much_worse, self._better, self._much_better):
            run.end()
        return self.cost

    def _note(self, change: int, *, now: float) -> None:
        """Learns from a published change how long the next improvement must last."""
        if change > 0:
            if now > self._swung_at + self._calm_s + SWING_S:
                self._calm_s = BETTER_SPAN_S
            self._worsened_at = now
        elif now <= self._worsened_at + self._calm_s + SWING_S:
            self._swung_at = now
            self._calm_s = min(max(2 * self._calm_s, CALM_FLOOR_S), CALM_CEILING_S)

    @property
    def is_doubtful(self) -> bool:
        """Tells whether the last samples were off: more of them will show whether the link has changed."""
        return self._worse.has_begun or self._better.has_begun


class _Streak:
    """Samples in a row that all went the same way."""

    __slots__ = ("_change", "_count", "_samples", "_since")

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self.end()

    def take(self, change: int, *, counts: bool, now: float) -> None:
        """Takes a sample, by how much it differs from the published cost; one that does not count ends the run."""
        if not counts:
            self.end()
            return
        if not self._count:
            self._since = now
            self._change = change
        self._count += 1
        self._change = min(self._change, change, key=abs)

    @property
    def has_begun(self) -> bool:
        """Tells whether there is any."""
        return self._count > 0

    def lasting(self, patience: int, span_s: float, *, now: float) -> int:
        """Returns how far all samples went; 0 until they are `patience` times the least number, over `span_s` or more."""
        is_long = self._count >= self._samples * patience and now - self._since >= span_s
        return self._change if is_long else 0

    def end(self) -> None:
        """Starts afresh."""
        self._count = 0
        self._since = 0.0
        self._change = 0
