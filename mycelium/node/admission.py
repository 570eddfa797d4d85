"""Which strangers get a link: so many in all, so many from one host or site, and so many a second.

Whoever the operator named, or this node has dialled, is no stranger: for them only the bound on all links holds.
"""

from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import Final

from mycelium.limits import LINKS_PER_SUBNET, NEW_LINKS_PER_SECOND_AND_SUBNET, SUBNETS
from mycelium.link.causes import too_many_links, too_many_links_there
from mycelium.link.crowds import Crowds
from mycelium.link.link import Link
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.subnets import SubnetRates, subnets_of
from mycelium.timing import TokenBucket, TokenBuckets

TOLD_AGAIN_S: Final = 60.0  # after which the operator is told again of the same network
COUNTED_S: Final = (
    1.0  # for which a count of links by their networks holds: a restarted node is asked for links by hundreds
)
NETWORKS_TOLD: Final = 4  # in that time: forged addresses may lie in thousands


class LinkAdmission:
    """Counts links by the networks around their addresses, twice as many for each wider network."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._told = TokenBuckets[bytes](1 / TOLD_AGAIN_S, burst=1, keys=SUBNETS)  # by the widest network
        self._told_of_all = TokenBucket(NETWORKS_TOLD / TOLD_AGAIN_S, burst=NETWORKS_TOLD, now=0.0)
        self._rates = SubnetRates(NEW_LINKS_PER_SECOND_AND_SUBNET, burst=LINKS_PER_SUBNET)
        self._counts: Counter[bytes] = Counter()  # links by the networks around them
        self._counted_until = -inf

    def refusal(
        self, host: str, links: Iterable[Link], *, count: int, bound: int, is_wanted: bool, now: float
    ) -> str | None:
        """Returns why a new neighbour at a host gets no link beside `count` others, or None if it does."""
        if count >= bound:
            return too_many_links(count)
        if is_wanted or (self._rates.take(host, now=now) and self._has_room(host, links, now=now)):
            return None
        cause = too_many_links_there(host)
        self._tell(subnets_of(host)[-1], cause, now=now)
        return cause

    def tell_crowds(self, crowds: Crowds, *, now: float) -> None:
        """Tells of crowds that were stopped before they had links."""
        for one in crowds.found:
            self._tell(one.network, str(one), now=now)
        crowds.found.clear()

    def _tell(self, network: bytes, cause: str, *, now: float) -> None:
        if self._told.take(network, now=now) and self._told_of_all.take(now=now):
            self._journal.note(EventKind.STRANGERS_EXCESSIVE, cause=cause, now=now)

    def _has_room(self, host: str, links: Iterable[Link], *, now: float) -> bool:
        """Tells whether each network around a host may have one link more, which then counts."""
        if now >= self._counted_until:
            around = (subnets_of(link.paths.active.endpoint.host) for link in links)
            self._counts = Counter(subnet for subnets in around for subnet in subnets)
            self._counted_until = now + COUNTED_S
        subnets = subnets_of(host)
        has_room = all(self._counts[subnet] < LINKS_PER_SUBNET << level for level, subnet in enumerate(subnets))
        if has_room:
            self._counts.update(subnets)
        return has_room
