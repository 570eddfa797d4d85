"""What one neighbour may cost. Budgets are kept by address: neither a new link nor a new control stream refills them."""

from mycelium.limits import (
    CHANGES_AT_ONCE,
    CHANGES_PER_SECOND,
    DIGESTS_AT_ONCE,
    DIGESTS_PER_SECOND,
    DUMPS_AT_ONCE,
    DUMPS_PER_SECOND,
    NEIGHBOURS,
    RENEWALS_AT_ONCE,
    RENEWALS_PER_SECOND,
    REQUESTS_PER_SECOND,
    STARTS_AT_ONCE,
    STARTS_PER_SECOND,
    VERIFICATIONS_AT_ONCE,
    VERIFICATIONS_PER_SECOND,
)
from mycelium.timing import LastUsed, TokenBucket


class Budgets:
    """The budgets of one neighbour."""

    __slots__ = (
        "changes",
        "digests",
        "dumps",
        "has_failed",
        "questions",
        "renewals",
        "requests",
        "restarts",
        "starts",
        "verifications",
    )

    def __init__(self, *, now: float) -> None:
        self.starts = TokenBucket(STARTS_PER_SECOND, burst=STARTS_AT_ONCE, now=now)
        self.restarts = TokenBucket(STARTS_PER_SECOND, burst=STARTS_AT_ONCE, now=now)  # that no failure accounts for
        self.has_failed = False  # its link has, since the last of its starts that a failure accounts for
        self.digests = TokenBucket(DIGESTS_PER_SECOND, burst=DIGESTS_AT_ONCE, now=now)
        self.dumps = TokenBucket(DUMPS_PER_SECOND, burst=DUMPS_AT_ONCE, now=now)
        self.verifications = TokenBucket(VERIFICATIONS_PER_SECOND, burst=VERIFICATIONS_AT_ONCE, now=now)
        self.renewals = TokenBucket(RENEWALS_PER_SECOND, burst=RENEWALS_AT_ONCE, now=now)
        self.questions = TokenBucket(REQUESTS_PER_SECOND, now=now)  # for announcements that it left out
        self.requests = TokenBucket(REQUESTS_PER_SECOND, now=now)
        self.changes = TokenBucket(CHANGES_PER_SECOND, burst=CHANGES_AT_ONCE, now=now)


class BudgetTable(LastUsed[bytes, Budgets]):
    """The budgets of the neighbours that were up last, by address: twice as many as can be up at one time."""

    def __init__(self) -> None:
        super().__init__(lambda now: Budgets(now=now), keys=2 * NEIGHBOURS)
