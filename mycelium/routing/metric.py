"""The cost of a link, in units of 10 us, and when a changed cost is published to routing.

The metric is linear in delay. The penalty of RFC 9616 saturates; here the difference between 1 and 2 ms counts as much as the
difference between 201 and 202 ms.
"""

from math import inf
from typing import Final

from mycelium.wire.distance import INFINITY

COST_UNIT_S: Final = 1e-5
HOP_COST_S: Final = 0.3e-3  # cost of crossing a node, besides the link's delay
LOSS_WEIGHT: Final = 3.0  # a lost frame costs about three times the link's delay

# The cost of a favoured link is divided by this. It spares a relay and takes the same wires, but with jitter one long round
# trip seems longer than two short ones that are measured apart, and each published cost may be a little out of date.
FAVOUR: Final = 2

# A change below these is not published.
PUBLISH_RATIO: Final = 0.05
PUBLISH_FLOOR: Final = 50  # 0.5 ms

# A worse link hurts at once, so few samples suffice; their span keeps a momentary delay from counting.
WORSE_SAMPLES: Final = 3
WORSE_SPAN_S: Final = 0.3

# An improvement lowers feasibility distances everywhere, so it must last.
BETTER_SAMPLES: Final = 10
BETTER_SPAN_S: Final = 0.15

# A change beyond both of these is certain to be a change of the link.
SURE_RATIO: Final = 0.25
SURE_JITTERS: Final = 2.0  # multiple of the link's jitter

# A smaller change needs this multiple of the samples. Improvements are exempt soon after the first sample, which may have
# included the delay of a handshake.
UNSURE_PATIENCE: Final = 10
YOUNG_S: Final = 30.0
UNSURE_SPAN_S: Final = 30.0  # a small rise, or one that a queue may have caused, must last this long

# Traffic that leaves a congested link makes its cost fall again. An improvement within SWING_S of a rise counts as such a
# swing, and each swing doubles the time that the next improvement must last.
SWING_S: Final = 60.0
CALM_FLOOR_S: Final = 5.0
CALM_CEILING_S: Final = 120.0


def link_cost(rtt_s: float, loss: float) -> int:
    """Returns the cost of a link in units of 10 us, from 1 up to just below INFINITY.

    `rtt_s` is the minimum over a window, so that queueing delay does not move routes; `loss` is a fraction, 0 to 1.
    """
    one_way_s = max(rtt_s, 0.0) / 2 + HOP_COST_S
    cost = one_way_s / COST_UNIT_S * (1 + LOSS_WEIGHT * min(max(loss, 0.0), 1.0))
    return max(1, min(round(cost), INFINITY - 1))


class PublishedCost:
    """The published cost of a link: it changes only when samples differ from it by enough for long enough.

    Traffic that a low cost attracts may congest the link and raise the cost again. Each such swing delays the next improvement,
    so that routes do not oscillate.
    """

    __slots__ = (
        "_better",
        "_calm_s",
        "_first_sample_at",
        "_much_better",
        "_much_worse",
        "_swung_at",
        "_worse",
        "_worsened_at",
        "cost",
    )

    def __init__(self) -> None:
        self.cost: int | None = None
        self._first_sample_at = 0.0
        self._worsened_at = self._swung_at = -inf
        self._calm_s = BETTER_SPAN_S  # how long an improvement must last
        self._worse = _Streak(WORSE_SAMPLES)
        self._much_worse = _Streak(WORSE_SAMPLES)
        self._better = _Streak(BETTER_SAMPLES)
        self._much_better = _Streak(BETTER_SAMPLES)

    def update(
        self, cost: int, *, newest: int = 0, is_steady: bool = True, jitter_s: float = 0.0, now: float
    ) -> int | None:
        """Takes one sample and returns the cost to publish, or None while the published one remains valid.

        `cost` is that of the minimum RTT of a window, and `newest` that of the newest RTT alone: a single short RTT stays the
        minimum for long, so an improvement must show in each new one. A rise is published early only if recent RTTs agree
        (`is_steady`). Changes below `jitter_s`, the mean difference between successive RTTs, are ignored.

        The sample nearest to the published cost is the one published: all others of its streak went at least that far.
        """
        if self.cost is None:
            self.cost, self._first_sample_at = cost, now
            return cost
        jitter = jitter_s / COST_UNIT_S
        told = max(self.cost * PUBLISH_RATIO, PUBLISH_FLOOR, jitter)
        sure = max(self.cost * SURE_RATIO, told, SURE_JITTERS * jitter)
        rise, fall = cost - self.cost, max(cost, newest) - self.cost
        self._worse.take(rise, counts=rise > told, now=now)
        self._much_worse.take(rise, counts=rise > sure and is_steady, now=now)
        self._better.take(fall, counts=fall < -told, now=now)
        self._much_better.take(fall, counts=fall < -sure, now=now)
        patience = 1 if now < self._first_sample_at + YOUNG_S else UNSURE_PATIENCE
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
        """Adapts the time that the next improvement must last to a published change."""
        if change > 0:
            if now > self._swung_at + self._calm_s + SWING_S:
                self._calm_s = BETTER_SPAN_S
            self._worsened_at = now
        elif now <= self._worsened_at + self._calm_s + SWING_S:
            self._swung_at = now
            self._calm_s = min(max(2 * self._calm_s, CALM_FLOOR_S), CALM_CEILING_S)

    def pending(self, *, now: float) -> tuple[int, float] | None:
        """Returns the cost that the newest samples show, and for how many seconds more they must; None where they agree."""
        spans = (
            (self._much_worse, WORSE_SPAN_S),
            (self._much_better, self._calm_s),
            (self._worse, UNSURE_SPAN_S),
            (self._better, self._calm_s),
        )
        waits = [(streak.wait_s(span_s, now=now), streak.change) for streak, span_s in spans if streak.has_begun]
        if self.cost is None or not waits:
            return None
        wait_s, change = min(waits)
        return self.cost + change, wait_s

    @property
    def is_doubtful(self) -> bool:
        """Tells whether recent samples differ from the published cost: further probes will show whether the link changed."""
        return self._worse.has_begun or self._better.has_begun


class _Streak:
    """Successive samples that differ from the published cost in the same direction."""

    __slots__ = ("_count", "_samples", "_since", "change")

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self.end()

    def take(self, change: int, *, counts: bool, now: float) -> None:
        """Takes the difference of a sample from the published cost; a sample that does not count ends the streak."""
        if not counts:
            self.end()
            return
        if not self._count:
            self._since = now
            self.change = change
        self._count += 1
        self.change = min(self.change, change, key=abs)

    @property
    def has_begun(self) -> bool:
        """Tells whether the streak has a sample."""
        return self._count > 0

    def lasting(self, patience: int, span_s: float, *, now: float) -> int:
        """Returns the smallest difference; 0 until the streak has `patience` times its least samples and spans `span_s`."""
        is_long = self._count >= self._samples * patience and now - self._since >= span_s
        return self.change if is_long else 0

    def wait_s(self, span_s: float, *, now: float) -> float:
        """Returns how many seconds are missing from a span."""
        return max(self._since + span_s - now, 0.0)

    def end(self) -> None:
        """Ends the streak."""
        self._count = 0
        self._since = 0.0
        self.change = 0
