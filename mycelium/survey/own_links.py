"""What a node tells of its own links."""

from collections.abc import Iterable

from mycelium.identity import blake2b
from mycelium.link.link import Link, LinkState
from mycelium.wire.survey import LOSS_UNITS, VERSION_BYTES, ToldLink, encode_links


def own_links(links: Iterable[Link], *, now: float) -> tuple[ToldLink, ...]:
    """Returns the links that are not down, one of each neighbour, in the order of their addresses."""
    alive = {link.address: link for link in links if link.state is not LinkState.DOWN}
    return tuple(_told(alive[neighbour], now=now) for neighbour in sorted(alive))


def version_of(links: Iterable[ToldLink]) -> bytes:
    """Returns what changes with neighbours, costs and states, but not with each round trip."""
    lasting = (ToldLink(one.neighbour, one.cost, None, None, one.is_suspect) for one in links)
    return blake2b(encode_links(lasting), size=VERSION_BYTES)


def _told(link: Link, *, now: float) -> ToldLink:
    rtt_s, loss = link.paths.active.rtt.recent_on_wire, link.loss(now=now)
    return ToldLink(
        link.address,
        link.cost,
        None if rtt_s is None else round(1e6 * rtt_s),
        None if loss is None else round(LOSS_UNITS * loss),
        link.state is LinkState.SUSPECT,
    )
