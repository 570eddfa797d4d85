"""Where this node is seen from outside: what each neighbour says, and what most of them agree upon.

A node behind a NAT (network address translator) does not know its outside address, but each neighbour sees it as the source of
our datagrams. A NAT with endpoint-independent mapping (RFC 4787 section 4.1) shows all neighbours the same port, so others can
reach that one too. With another mapping each destination sees another port, and what neighbours say helps nobody else.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, TypeVar

from msgspec import Struct

from mycelium.counters import drops
from mycelium.endpoint import Endpoint
from mycelium.limits import OBSERVATIONS, SIGNAL_CANDIDATES
from mycelium.medium import medium_of
from mycelium.peer_address import is_numeric, is_of_another_host
from mycelium.wire.underlay_address import UnderlayAddress

UDP: Final = "udp"
# how many outside addresses of one socket and IP version are tried, and how many ports of each: those most often seen
LIKELY: Final = 2

_Value = TypeVar("_Value", str, int)


class Mapping(StrEnum):
    """How the NAT in front of this node maps ports, in the words of RFC 4787; without a NAT it is endpoint-independent too."""

    UNKNOWN = "unknown"  # fewer than two neighbours tell
    ENDPOINT_INDEPENDENT = "endpoint-independent"
    ENDPOINT_DEPENDENT = "endpoint-dependent"

    @property
    def code(self) -> int:
        """Its code in signals."""
        return list(Mapping).index(self)

    @classmethod
    def of_code(cls, code: int) -> "Mapping":
        """Returns what a code stands for; an unknown one says nothing."""
        return list(cls)[code] if code < len(cls) else cls.UNKNOWN


class View(Struct, frozen=True):
    """What neighbours agree upon: the likeliest addresses first."""

    addresses: tuple[UnderlayAddress, ...] = ()
    mapping: Mapping = Mapping.UNKNOWN


@dataclass(slots=True)
class OutsideCounters:
    """Totals since the node started."""

    observations_refused: int = drops("Addresses that neighbours said they see this node at, and no node can have.")


class Outside:
    """The newest observation of each neighbour for each local socket. One that lies is outvoted by two that do not."""

    def __init__(self) -> None:
        self._observations: dict[tuple[bytes, int], UnderlayAddress] = {}  # by neighbour and port of the local socket
        self._view: View | None = View()  # None: to be judged anew
        self._told: tuple[tuple[UnderlayAddress, ...], Mapping] = ((), Mapping.UNKNOWN)
        self._mapped: tuple[UnderlayAddress, ...] = ()
        self._own: tuple[UnderlayAddress, ...] = ()
        self.counters = OutsideCounters()

    def set_own(self, addresses: Iterable[UnderlayAddress]) -> None:
        """Takes the addresses of this host's interfaces, with the port of its socket."""
        self._own = tuple(addresses)

    def set_mapped(self, addresses: Iterable[UnderlayAddress]) -> None:
        """Takes the outside addresses that NATs have mapped to this host's socket upon request."""
        self._mapped = tuple(addresses)

    def candidates(self) -> tuple[Endpoint, ...]:
        """Returns where this node may be reached, the likeliest first."""
        likeliest_first = dict.fromkeys((*self._mapped, *self.view.addresses, *self._own))
        return tuple(Endpoint(UDP, *address) for address in likeliest_first)[:SIGNAL_CANDIDATES]

    def observed(self, neighbour: bytes, socket_port: int, address: UnderlayAddress) -> None:
        """Takes where a neighbour sees the local socket with this port."""
        if not address.port or not is_of_another_host(address.host):
            self.counters.observations_refused += 1
            return
        self._observations.pop((neighbour, socket_port), None)
        if len(self._observations) >= OBSERVATIONS:
            del self._observations[next(iter(self._observations))]
        self._observations[neighbour, socket_port] = address
        self._view = None

    def forget(self, neighbour: bytes) -> None:
        """Forgets what a neighbour said, whose link has ended."""
        for key in [key for key in self._observations if key[0] == neighbour]:
            del self._observations[key]
            self._view = None

    @property
    def view(self) -> View:
        """What neighbours agree upon."""
        if self._view is None:
            self._view = self._judge()
        return self._view

    def take_change(self) -> View | None:
        """Returns the view if its likeliest address, or the mapping, is another one than at the last call."""
        essence = self.view.addresses[:1], self.view.mapping
        if essence == self._told:
            return None
        self._told = essence
        return self.view

    def _judge(self) -> View:
        groups: dict[tuple[int, int], list[UnderlayAddress]] = {}  # by version of IP and local socket
        for (_, socket_port), address in self._observations.items():
            groups.setdefault((ip_address(address.host).version, socket_port), []).append(address)
        views = [_judge_socket(groups[key]) for key in sorted(groups)]  # IPv4 first: it is what NATs are for
        addresses = dict.fromkeys(address for view in views for address in view.addresses)
        return View(tuple(addresses), views[0].mapping if views else Mapping.UNKNOWN)


def address_to_tell(endpoint: Endpoint) -> UnderlayAddress | None:
    """Returns where others may reach the neighbour at an endpoint; None where that says nothing of it.

    The port of a connection is for that connection only, a link-local address for its link, and in memory hosts have names.
    """
    if not is_numeric(endpoint.host) or endpoint.scope or medium_of(endpoint.scheme).is_reliable:
        return None
    return UnderlayAddress(endpoint.host, endpoint.port)


def _judge_socket(seen: list[UnderlayAddress]) -> View:
    """Returns what neighbours agree upon about one socket; those on the same LAN see no NAT, so others count first."""
    seen = [one for one in seen if ip_address(one.host).is_global] or seen
    hosts = _likely(one.host for one in seen)
    ports = {host: Counter(one.port for one in seen if one.host == host) for host in hosts}
    addresses = tuple(UnderlayAddress(host, port) for host in hosts for port in _likely(ports[host].elements()))
    votes, agreed = ports[hosts[0]].total(), ports[hosts[0]].most_common(1)[0][1]
    if votes < 2:
        return View(addresses, Mapping.UNKNOWN)
    return View(addresses, Mapping.ENDPOINT_INDEPENDENT if 2 * agreed > votes else Mapping.ENDPOINT_DEPENDENT)


def _likely(votes: Iterable[_Value]) -> list[_Value]:
    """Returns the value with the most votes, and one that has more than half as many; the one said first on ties."""
    counted = Counter(votes).most_common(LIKELY)
    return [value for value, count in counted if 2 * count > counted[0][1]]
