"""What the kernel's netlink messages say of this host's interfaces and addresses, as far as links depend on it.

Only read here are which interface went down and which address went away; that anything else has changed is enough to know. No
link depends on routes into the overlay, one of which this program itself replaces under load.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from socket import AF_INET6
from typing import Final, NamedTuple

from mycelium.endpoint import Lost
from mycelium.identity import is_overlay_address
from mycelium.packet.netlink import (
    ADDRESS,
    IFA_ADDRESS,
    IFA_LOCAL,
    IFF_LOWER_UP,
    IFF_UP,
    IFLA_IFNAME,
    LINK,
    NLM_F_DUMP,
    NLM_F_MULTI,
    NLM_F_REQUEST,
    ROUTE,
    RTA_DST,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    attributes,
    message,
    messages,
)
from mycelium.tun.netlink import PREFIX_BITS

LINK_LOCAL: Final = b"\xfe\x80"  # said of each interface anew: such addresses tell nothing, the interface's index does

ASK_FOR_ADDRESSES: Final = message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, bytes(ADDRESS.size))


class News(NamedTuple):
    """What one read of the socket brought."""

    losses: list[Lost]
    has_gained: bool  # an address, a route or a carrier: what could not be sent may leave now
    has_changed: bool  # what links may depend on


class HostNetwork:
    """The addresses of each interface, and which are down, as told so far."""

    def __init__(self) -> None:
        self.interfaces: dict[bytes, int] = {}  # by address, link-local ones left out
        self._down: set[int] = set()

    def take(self, data: bytes) -> News:
        """Takes what one read brought, and says what it means."""
        losses: list[Lost] = []
        has_gained = has_changed = False
        for kind, flags, body in messages(data):
            concerns_links = not (flags & NLM_F_MULTI or _leads_inside(kind, body))  # nor is an answer a change
            has_changed |= concerns_links
            has_gained |= concerns_links and kind in (RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE)
            if kind in (RTM_NEWLINK, RTM_DELLINK) and len(body) >= LINK.size:
                losses += self._take_link(kind, body)
            elif kind in (RTM_NEWADDR, RTM_DELADDR) and len(body) >= ADDRESS.size:
                losses += self._take_address(kind, body)
            elif kind == RTM_DELROUTE and concerns_links:
                losses.append(Lost())
        return News(losses, has_gained, has_changed)

    def _take_link(self, kind: int, body: bytes) -> Iterator[Lost]:
        _, _, index, flags, _ = LINK.unpack_from(body)
        if kind == RTM_NEWLINK and flags & IFF_UP and flags & IFF_LOWER_UP:
            self._down.discard(index)
        elif index not in self._down:
            self._down.add(index)
            addresses = frozenset(address for address, its in self.interfaces.items() if its == index)
            yield Lost(addresses, index, cause=_cause(kind, flags, index, body[LINK.size :]))
        if kind == RTM_DELLINK:
            self._down.discard(index)

    def _take_address(self, kind: int, body: bytes) -> Iterator[Lost]:
        *_, index = ADDRESS.unpack_from(body)
        found = dict(attributes(body[ADDRESS.size :]))
        address = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS) or b""
        if not address or address.startswith(LINK_LOCAL):
            return
        if kind == RTM_NEWADDR:
            self.interfaces[address] = index
        elif self.interfaces.get(address) == index:
            del self.interfaces[address]
            yield Lost(frozenset((address,)), cause=f"this host's address {ip_address(address)} was removed")


def _leads_inside(kind: int, body: bytes) -> bool:
    """Tells whether a message is of a route that leads nowhere but into the overlay."""
    if kind not in (RTM_NEWROUTE, RTM_DELROUTE) or len(body) < ROUTE.size:
        return False
    family, bits, *_ = ROUTE.unpack_from(body)
    destinations = (value for attribute, value in attributes(body[ROUTE.size :]) if attribute == RTA_DST)
    return family == AF_INET6 and bits >= PREFIX_BITS and is_overlay_address(next(destinations, b""))


def _cause(kind: int, flags: int, index: int, found: bytes) -> str:
    """Says what became of an interface, by the body of the message behind its head."""
    name = dict(attributes(found)).get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace") or f"interface {index}"
    if kind == RTM_DELLINK:
        return f"{name} was removed"
    return f"{name} lost its carrier" if flags & IFF_UP else f"{name} was set down"
