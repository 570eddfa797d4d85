"""Which strangers get a link: so many in all, so many from one host or site, and so many a second.

Whoever the operator named, or this node has dialled, is no stranger: for them only the bound on all links holds.
"""

from collections.abc import Iterable

from mycelium.limits import LINKS_PER_SUBNET, NEW_LINKS_PER_SECOND_AND_SUBNET
from mycelium.link.causes import too_many_links, too_many_links_there
from mycelium.link.link import Link
from mycelium.subnets import SubnetRates, subnets_of


class LinkAdmission:
    """Counts links by the networks around their addresses, twice as many for each wider network."""

    def __init__(self) -> None:
        self._rates = SubnetRates(NEW_LINKS_PER_SECOND_AND_SUBNET, burst=LINKS_PER_SUBNET)

    def refusal(
        self, host: str, links: Iterable[Link], *, count: int, bound: int, is_wanted: bool, now: float
    ) -> str | None:
        """Returns why a new neighbour at a host gets no link beside `count` others, or None if it does."""
        if count >= bound:
            return too_many_links(count)
        if is_wanted:
            return None
        if not self._rates.take(host, now=now):
            return too_many_links_there(host)
        around = [subnets_of(link.paths.active.endpoint.host) for link in links]
        for level, subnet in enumerate(subnets_of(host)):
            if sum(subnet in others for others in around) >= LINKS_PER_SUBNET << level:
                return too_many_links_there(host)
        return None
