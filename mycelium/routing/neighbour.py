"""Neighbours (RFC 8966 section 3.2.4): one per live link, each with a slot number that names it in every route table row."""

from math import inf
from typing import Final

from mycelium.limits import REQUESTS_PER_SECOND, VERIFICATIONS_AT_ONCE, VERIFICATIONS_PER_SECOND
from mycelium.routing.destination import Destination
from mycelium.timing import Backoff, TokenBucket
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item
from mycelium.wire.distance import INFINITY

DAMPED_COST: Final = 1_000_000  # 10 s: any other way is better, none is worse


class Neighbour:
    """What is known of one neighbour, and what waits to be sent to it."""

    __slots__ = (
        "address",
        "answers",
        "bit",
        "damped_until",
        "digest_at",
        "digest_due",
        "dump_at",
        "dump_due",
        "heard",
        "link_cost",
        "newer",
        "question_budget",
        "request_budget",
        "requests",
        "resync",
        "resync_at",
        "retractions",
        "slot",
        "suspected",
        "table_wanted_at",
        "up_since",
        "updates",
        "verification_budget",
    )

    def __init__(self, address: bytes, slot: int, cost: int, *, resync: Backoff, now: float) -> None:
        self.address = address
        self.slot = slot
        self.bit = 1 << slot
        self.link_cost = cost
        self.suspected = False
        self.damped_until = 0.0
        self.up_since = now
        self.digest_at = inf
        self.table_wanted_at = inf  # when to ask for its whole table, some of which was refused
        self.heard: set[bytes] | None = None  # nodes it spoke of since it was asked for its whole table; never iterated
        self.resync = resync  # waits between requests for its whole table
        self.resync_at = 0.0  # earliest time of the next one
        self.dump_at = 0.0  # not given our whole table again before
        self.verification_budget = TokenBucket(VERIFICATIONS_PER_SECOND, burst=VERIFICATIONS_AT_ONCE, now=now)
        self.question_budget = TokenBucket(REQUESTS_PER_SECOND, now=now)  # requests for announcements it left out
        self.request_budget = TokenBucket(REQUESTS_PER_SECOND, now=now)
        self.dump_due = True  # a fresh stream: it is told everything
        self.digest_due = False
        self.answers: dict[Destination, None] = {}  # told again even if nothing changed
        self.newer: dict[bytes, Announcement] = {}  # shown to it, by node
        self.retractions: list[Item] = []
        self.requests: list[Item] = []
        self.updates: list[Item] = []

    def cost(self, *, now: float) -> int:
        """Returns what routes through it cost on top: INFINITY while it is suspected, dear while it is damped."""
        if self.suspected:
            return INFINITY
        return min(self.link_cost + DAMPED_COST, INFINITY - 1) if now < self.damped_until else self.link_cost
