"""Which strangers get a link: so many in all, so many from one host or site, and so many a second.

Whoever the operator named, or this node has dialled, is no stranger: for them only the bound on all links holds.
"""

from collections.abc import Iterable

from mycelium.limits import LINKS_PER_SUBNET, NEW_LINKS_PER_SECOND_AND_SUBNET, SUBNETS
from mycelium.link.causes import too_many_links, too_many_links_there
from mycelium.link.link import Link
from mycelium.subnets import LEVELS, subnets_of
from mycelium.timing import TokenBuckets


class LinkAdmission:
    """Counts links by the networks around their addresses, twice as many for each wider network."""

    def __init__(self) -> None:
        self._rates = [
            TokenBuckets[bytes](NEW_LINKS_PER_SECOND_AND_SUBNET << level, burst=LINKS_PER_SUBNET << level, keys=SUBNETS)
            for level in range(LEVELS)
        ]

    def refusal(
        self, host: str, links: Iterable[Link], *, count: int, bound: int, is_wanted: bool, now: float
    ) -> str | None:
        """Returns why a new neighbour at a host gets no link beside `count` others, or None if it does."""
        if count >= bound:
            return too_many_links(count)
        if is_wanted:
            return None
        subnets = subnets_of(host)
        if not all(self._rates[level].take(subnet, now=now) for level, subnet in enumerate(subnets)):
            return too_many_links_there(host)
        around = [subnets_of(link.paths.active.endpoint.host) for link in links]
        for level, subnet in enumerate(subnets):
            if sum(subnet in others for others in around) >= LINKS_PER_SUBNET << level:
                return too_many_links_there(host)
        return None
