"""Extra probes while a link's cost is new or seems to have changed: a second of them tells a change from a blip."""

from math import inf
from typing import Final

PROBES: Final = 10
SPACING_S: Final = 0.08
PAUSE_S: Final = 30.0  # from one burst to the next: jitter that goes on must not cost more than an idle link may


class ProbeBurst:
    """PROBES probes SPACING_S apart: at the beginning, and in doubt while it lasts, then at most once in PAUSE_S."""

    __slots__ = ("_is_due_anyway", "_left", "_not_before", "due_at")

    def __init__(self) -> None:
        self.due_at = inf  # when a probe is to be sent
        self._left = 0
        self._not_before = -inf
        self._is_due_anyway = False

    def begin(self, now: float) -> None:
        """Has all probes sent, whatever the first of them tell: one round trip says little of a new link."""
        self._is_due_anyway = True
        self._left = PROBES
        self.due_at = now + SPACING_S

    def judge(self, *, is_doubtful: bool, now: float) -> None:
        """Called with each sample of the cost: while it is doubtful the next probe follows soon."""
        if self._is_due_anyway:
            return
        if not is_doubtful:
            self._left = 0
            self.due_at = inf
        elif self.due_at == inf and not self._left and now >= self._not_before:
            self._left = PROBES
            self._not_before = now + PAUSE_S
            self.due_at = now + SPACING_S

    def take_due(self, now: float) -> bool:
        """Tells whether a probe is due, which then counts as sent."""
        if now < self.due_at:
            return False
        self._left -= 1
        self._is_due_anyway &= self._left > 0
        self.due_at = now + SPACING_S if self._left else inf
        return True
