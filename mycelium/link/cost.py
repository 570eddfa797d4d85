"""The cost of a link: round trips and loss in, the cost that routing is told out, and when to probe more often.

While the cost of a link is new, or the samples disagree with the published cost, a burst of probes tells a change from a blip.
"""

from math import inf
from typing import Final

from mycelium.link.path.rtt import RttEstimator
from mycelium.routing.metric import PublishedCost, link_cost

BURST_PROBES: Final = 10
BURST_SPACING_S: Final = 0.08
BURST_PAUSE_S: Final = 30.0  # from one burst to the next: lasting jitter must not cost more than an idle link may


class LinkCost:
    """`published` is the cost that routing is told, in units of 10 us; None before the first sample."""

    __slots__ = ("_burst", "_hysteresis", "published")

    def __init__(self) -> None:
        self.published: int | None = None
        self._hysteresis = PublishedCost()
        self._burst = ProbeBurst()

    @property
    def probe_at(self) -> float:
        """When `take_probe` gives a probe."""
        return self._burst.due_at

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
            self._burst = ProbeBurst()  # the cost may have further to go
            if before is None:
                self._burst.begin(now=now)
        self._burst.judge(is_doubtful=self._hysteresis.is_doubtful, now=now)
        return self.published != before

    def take_probe(self, *, now: float) -> bool:
        """Tells whether an extra probe is due, which then counts as sent."""
        return self._burst.take_due(now=now)


class ProbeBurst:
    """BURST_PROBES probes BURST_SPACING_S apart: at first, and while samples disagree, then at most once in BURST_PAUSE_S."""

    __slots__ = ("_is_unconditional", "_left", "_not_before", "due_at")

    def __init__(self) -> None:
        self.due_at = inf  # when a probe is to be sent
        self._left = 0
        self._not_before = -inf
        self._is_unconditional = False

    def begin(self, *, now: float) -> None:
        """Has all probes sent, whatever the first of them tell: one round trip says little about a new link."""
        self._is_unconditional = True
        self._left = BURST_PROBES
        self.due_at = now + BURST_SPACING_S

    def judge(self, *, is_doubtful: bool, now: float) -> None:
        """Called with each sample of the cost: while it is doubtful the next probe follows soon."""
        if self._is_unconditional:
            return
        if not is_doubtful:
            self._left = 0
            self.due_at = inf
        elif self.due_at == inf and not self._left and now >= self._not_before:
            self._left = BURST_PROBES
            self._not_before = now + BURST_PAUSE_S
            self.due_at = now + BURST_SPACING_S

    def take_due(self, *, now: float) -> bool:
        """Tells whether a probe is due, which then counts as sent."""
        if now < self.due_at:
            return False
        self._left -= 1
        self._is_unconditional &= self._left > 0
        self.due_at = now + BURST_SPACING_S if self._left else inf
        return True
