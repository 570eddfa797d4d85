"""Ways between whole nodes that have no link of the mesh: shortcuts, and links across leased ports."""

from collections.abc import Mapping
from typing import Final, Literal

from mycelium.link.link import Link

from .link import SimLink
from .network import VirtualHost

Way = Literal["direct", "leased", "relayed"]

DIRECT: Final = "direct"
LEASED: Final = "leased"  # across the kernel of another node
RELAYED: Final = "relayed"


class Ways:
    """What ways nodes have found, by the endpoints to which their links send. `links` are those of the mesh."""

    def __init__(
        self,
        hosts: Mapping[int, VirtualHost],
        links: Mapping[tuple[int, int], SimLink],
        host_at: Mapping[str, VirtualHost],
    ) -> None:
        self._hosts = hosts
        self._links = links
        self._host_at = host_at

    def taken(self, one: int, other: int) -> Way:
        """Returns what packets between two nodes pass now: nothing, a leased port, or other nodes."""
        ends = ((one, other), (other, one))
        if not all(self._is_next(node, far) and self.passes(node, far) for node, far in ends):
            return RELAYED
        return DIRECT if all(self._lessor(node, far) is None for node, far in ends) else LEASED

    def passes(self, node: int, hop: int) -> bool:
        """Tells whether a shortcut leads to where its far end, or the relay that has leased it a port, is now."""
        link, lessor = self._link(node, hop), self._lessor(node, hop)
        if link is None:
            return False
        if lessor is None:
            return link.paths.active.endpoint.host in self._hosts[hop].addresses
        steps = ((node, lessor), (lessor, hop))
        return self._hosts[lessor].driver is not None and all(self._is_open(*step) for step in steps)

    def lessors(self) -> list[int]:
        """Returns the running nodes whose ports are leased now."""
        running = sorted(index for index, host in self._hosts.items() if host.driver is not None)
        return [index for index in running if self._hosts[index].node.leasing.given.by_number]

    def _is_open(self, sender: int, receiver: int) -> bool:
        link = self._links.get((min(sender, receiver), max(sender, receiver)))
        return link is not None and link.carries(sender)

    def _is_next(self, node: int, far: int) -> bool:
        """Tells whether a node sends packets for another one to none before."""
        host, address = self._hosts[node], self._hosts[far].address
        return host.driver is not None and host.node.routing.forwarding.next_hop.get(address) == address

    def _lessor(self, node: int, hop: int) -> int | None:
        """Returns the relay across whose leased port a node's link with another one runs."""
        link = self._link(node, hop)
        host = None if link is None else self._host_at.get(link.paths.active.endpoint.host)
        return None if host is None or host.index == hop else host.index

    def _link(self, node: int, hop: int) -> Link | None:
        host = self._hosts[node]
        return None if host.driver is None else host.node.links.get(self._hosts[hop].address)
