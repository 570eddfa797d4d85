"""Signed origins: which announcements are believed (the signature itself is checked by a function handed in).

A row of the route table keeps the newest verified announcement of its node and compares a received one with it as a
whole, all signed bytes and the signature: so each is verified once however many neighbours bring it, and no part of it
can be exchanged for another. Each neighbour can make us verify at a bounded rate only.
"""

from collections.abc import Callable
from typing import Final

from mycelium.errors import IdentityError
from mycelium.limits import VERIFICATIONS_PER_SECOND
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.neighbour import Neighbour
from mycelium.wire.announcement import Announcement

BUDGET_REFILL_S: Final = 1.0  # after which the neighbour is asked again for what was refused


class AnnouncementChecker:
    """Decides whether an announcement that came with an update speaks for its node."""

    __slots__ = ("_address_of", "_counters", "_network_id", "_verify")

    def __init__(
        self,
        *,
        verify: Callable[[Announcement], bool],
        address_of: Callable[[bytes], bytes],
        network_id: bytes,
        counters: RoutingCounters,
    ) -> None:
        self._verify = verify
        self._address_of = address_of
        self._network_id = network_id
        self._counters = counters

    def is_valid(self, announcement: Announcement, node: bytes, neighbour: Neighbour, *, now: float) -> bool:
        """Tells whether `node` of our network has signed it; what it refuses it counts."""
        if announcement.network_id != self._network_id:
            self._counters.announcements_foreign += 1
            return False
        if not neighbour.verification_budget.take(now=now):
            self._counters.announcements_over_budget += 1
            neighbour.table_wanted_at = min(neighbour.table_wanted_at, now + BUDGET_REFILL_S)
            return False
        try:
            speaker = self._address_of(announcement.signing_public_key)
        except IdentityError:
            speaker = b""
        if speaker != node:
            self._counters.announcements_wrong_node += 1
            return False
        if not self._verify(announcement):
            self._counters.announcements_forged += 1
            neighbour.verification_budget.limit_burst(VERIFICATIONS_PER_SECOND)  # it should have checked
            return False
        self._counters.announcements_verified += 1
        return True
