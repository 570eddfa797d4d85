"""Validation of announcements and home records; the signature itself is verified by a function handed in.

A row keeps the newest verified announcement of its node. A received one is compared with it as a whole, signature included, so
each is verified once, whichever neighbours bring it. The rate of verifications is bounded, for each neighbour and for all. Home
records have a bound for all of their own, since a hub is told thousands at once. What was refused comes again with the table.
"""

from collections.abc import Callable
from typing import Final

from mycelium.errors import IdentityError
from mycelium.limits import (
    HOMES_VERIFIED_OF_ALL,
    NEIGHBOURS,
    VERIFICATIONS_OF_ALL,
    VERIFICATIONS_PER_SECOND,
)
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.excess import FORGERY, RENEWALS, Excesses
from mycelium.routing.neighbour import Neighbour
from mycelium.timing import SharedBucket
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import Statement

BUDGET_REFILL_S: Final = 5.0  # wait before the neighbour's table, part of which was refused, is requested again


class AnnouncementChecker:
    """Decides whether a statement is valid for the node of its update or pin."""

    __slots__ = ("_address_of", "_budget", "_budget_of_homes", "_counters", "_network_id", "_verify", "excesses")

    def __init__(
        self,
        *,
        verify: Callable[[Statement], bool],
        address_of: Callable[[bytes], bytes],
        network_id: bytes,
        excesses: Excesses,
        counters: RoutingCounters,
        now: float,
    ) -> None:
        self._verify = verify
        self._address_of = address_of
        self._network_id = network_id
        self.excesses = excesses
        self._counters = counters
        self._budget = SharedBucket[bytes](VERIFICATIONS_OF_ALL, keys=2 * NEIGHBOURS, now=now)
        self._budget_of_homes = SharedBucket[bytes](HOMES_VERIFIED_OF_ALL, keys=2 * NEIGHBOURS, now=now)

    def renewed(self, neighbour: Neighbour, *, now: float) -> None:
        """Counts an announcement of a known node."""
        if not neighbour.budgets.renewals.take(now=now):
            self.excesses.note(neighbour.node, RENEWALS, now=now)

    def is_valid(self, statement: Statement, node: bytes, neighbour: Neighbour, *, now: float) -> bool:
        """Tells whether `node` of our network signed it; counts the reason if not."""
        if statement.network_id != self._network_id:
            self._counters.announcements_foreign += 1
            return False
        of_all = self._budget_of_homes if isinstance(statement, HomeRecord) else self._budget
        if not (neighbour.budgets.verifications.take(now=now) and of_all.take(neighbour.node, now=now)):
            self._counters.announcements_over_budget += 1
            neighbour.table_wanted_at = min(neighbour.table_wanted_at, now + BUDGET_REFILL_S)
            return False
        try:
            speaker = self._address_of(statement.signing_public_key)
        except IdentityError:
            speaker = b""
        if speaker != node:
            self._counters.announcements_wrong_node += 1
            return False
        if not self._verify(statement):
            self._counters.announcements_forged += 1
            # a correct neighbour would have verified it
            neighbour.budgets.verifications.limit_burst(VERIFICATIONS_PER_SECOND)
            self.excesses.note(neighbour.node, FORGERY, now=now)
            return False
        self._counters.announcements_verified += 1
        return True
