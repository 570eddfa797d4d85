"""The cost of a link: round trips and loss in, the cost that routing is told out, and when to probe more often.

While the cost of a link is new, or the samples disagree with the published cost, a burst of probes tells a change from a blip.
"""

from math import inf
from typing import Final

from mycelium.link.path.rtt import RttEstimator
from mycelium.routing.metric import PublishedCost, link_cost
from mycelium.timing import TokenBucket

FIRST_PROBES: Final = 10  # probes in a row of a new link
BURST_SPACING_S: Final = 0.08
PROBES_AT_ONCE: Final = 20  # in a row: enough to confirm a change right after doubts that came to nothing
PROBES_PER_S: Final = 1 / 3  # on average: lasting jitter must not cost more than an idle link may


class LinkCost:
    """`published` is the cost that routing is told, in units of 10 us; None before the first sample."""

    __slots__ = ("_burst", "_hysteresis", "published")

    def __init__(self, *, now: float) -> None:
        self.published: int | None = None
        self._hysteresis = PublishedCost()
        self._burst = ProbeBurst(now=now)

    @property
    def probe_at(self) -> float:
        """When `take_probe` gives a probe."""
        return self._burst.due_at

    def pending(self, *, now: float) -> tuple[int, float] | None:
        """Returns what is to be published, unless samples change, and in how many seconds; None where they agree with it."""
        return self._hysteresis.pending(now=now)

    def reset(self) -> None:
        """Forgets the cost: the link is down."""
        self.published = None
        self._hysteresis = PublishedCost()

    def sample(self, rtt: RttEstimator, loss: float, *, now: float) -> bool:
        """Takes the newest round trip and the loss, a share of datagrams; returns whether the published cost is another one."""
        before = self.published
        changed = self._hysteresis.update(
            link_cost(rtt.minimum(now=now), loss),
            newest=link_cost(rtt.newest_on_wire or 0.0, loss),
            is_steady=rtt.is_steady,
            jitter_s=rtt.jitter,
            now=now,
        )
        if changed is not None:
            self.published = changed
            self._burst = ProbeBurst(now=now)  # the cost may have further to go
            if before is None:
                self._burst.begin(now=now)
        self._burst.judge(is_doubtful=self._hysteresis.is_doubtful, now=now)
        return self.published != before

    def take_probe(self, *, now: float) -> bool:
        """Tells whether an extra probe is due, which then counts as sent."""
        return self._burst.take_due(now=now)


class ProbeBurst:
    """Extra probes BURST_SPACING_S apart: FIRST_PROBES at first, then more while samples disagree."""

    __slots__ = ("_first", "_granted", "due_at")

    def __init__(self, *, now: float) -> None:
        self.due_at = inf  # when a probe is to be sent
        self._first = 0  # probes of a new link that are still to be sent
        self._granted = TokenBucket(PROBES_PER_S, burst=PROBES_AT_ONCE, now=now)

    def begin(self, *, now: float) -> None:
        """Has the first probes sent, whatever the first of them tell: one round trip says little about a new link."""
        self._first = FIRST_PROBES
        self.due_at = now + BURST_SPACING_S

    def judge(self, *, is_doubtful: bool, now: float) -> None:
        """Called with each sample of the cost: while it is doubtful the next probe follows soon."""
        if self._first:
            return
        if not is_doubtful:
            self.due_at = inf
        elif self.due_at == inf and self._granted.take(now=now):
            self.due_at = now + BURST_SPACING_S

    def take_due(self, *, now: float) -> bool:
        """Tells whether a probe is due, which then counts as sent."""
        if now < self.due_at:
            return False
        self._first = max(self._first - 1, 0)
        goes_on = self._first > 0 or self._granted.take(now=now)
        self.due_at = now + BURST_SPACING_S if goes_on else inf
        return True
