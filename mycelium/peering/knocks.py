"""Knocks: whether datagrams of whom this node has not spoken to reach it.

A NAT or firewall lets in what answers a link's own datagrams, so a link that works says nothing of it. A neighbour is asked to
send one datagram from another port of its host instead, to where it sees this node. It does so for neighbours only, and
rarely: nobody can have it sent to somebody else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.limits import KNOCKS_AWAITED, KNOCKS_PER_VERSION, NEIGHBOURS
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import PathState
from mycelium.outbox import KnockDue, Outbox
from mycelium.peer_address import is_numeric
from mycelium.peering.outside import address_to_tell
from mycelium.timing import TokenBuckets
from mycelium.wire.control import Item
from mycelium.wire.knock import KNOCK_NONCE_BYTES, KnockWanted, decode_knock, encode_knock

KNOCK_EVERY_S: Final = 0.5  # least time between knocks for one neighbour


@dataclass(slots=True)
class KnocksCounters:
    """Totals since the node started."""

    knocks_sent: int = counter("Knocks sent for neighbours that asked for one.")
    knocks_refused: int = drops(
        "Knocks not sent for neighbours that had one just before, or have no address to knock at."
    )


@dataclass(slots=True)
class Knock:
    """One that a neighbour was asked for."""

    neighbour: bytes
    version: int  # of IP
    has_arrived: bool = False


class Knocks:
    """Asks neighbours to knock, and does it for them."""

    def __init__(self, links: Mapping[bytes, Link], *, outbox: Outbox, entropy: Callable[[int], bytes]) -> None:
        self.counters = KnocksCounters()
        self._links = links
        self._outbox = outbox
        self._entropy = entropy
        self._awaited: dict[bytes, Knock] = {}  # by nonce, the oldest first
        self._allowed = TokenBuckets[bytes](1 / KNOCK_EVERY_S, burst=1, keys=NEIGHBOURS)  # by neighbour

    def ask(self, *, now: float) -> tuple[Knock, ...]:
        """Asks neighbours over each version of IP, those in the public network first; returns what may arrive."""
        asked: list[Knock] = []
        for link, version in self._askable():
            if sum(one.version == version for one in asked) < KNOCKS_PER_VERSION:
                asked.append(Knock(link.address, version))
                link.send_items((KnockWanted(self._await(asked[-1])),), now=now)
        return tuple(asked)

    def receive(self, neighbour: bytes, items: Sequence[Item], *, now: float) -> None:
        """Knocks for a neighbour that asks for it."""
        for item in items:
            if isinstance(item, KnockWanted):
                self._knock(neighbour, item.nonce, now=now)

    def takes(self, endpoint: Endpoint, datagram: memoryview) -> bool:
        """Takes a knock that was asked for and has come from an endpoint; returns False for any other datagram."""
        nonce = decode_knock(bytes(datagram))
        knock = None if nonce is None else self._awaited.pop(nonce, None)
        if knock is None:
            return False
        knock.has_arrived = True
        if is_numeric(endpoint.host):  # the neighbour may have chosen another version than was expected
            knock.version = ip_address(endpoint.host).version
        return True

    def _askable(self) -> list[tuple[Link, int]]:
        """Returns the neighbours that see an address of this node which others could use, and the version of IP."""
        found = []
        for link in self._links.values():
            endpoint = _knockable(link) if link.state is LinkState.UP else None
            if endpoint is not None:
                host = ip_address(endpoint.host)
                found.append((not host.is_global, link, host.version))
        found.sort(key=lambda one: one[0])
        return [(link, version) for _, link, version in found]

    def _await(self, knock: Knock) -> bytes:
        if len(self._awaited) >= KNOCKS_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        nonce = self._entropy(KNOCK_NONCE_BYTES)
        self._awaited[nonce] = knock
        return nonce

    def _knock(self, neighbour: bytes, nonce: bytes, *, now: float) -> None:
        endpoint = _knockable(self._links[neighbour])
        if endpoint is None or not self._allowed.take(neighbour, now=now):
            self.counters.knocks_refused += 1
            return
        self.counters.knocks_sent += 1
        self._outbox.events.append(KnockDue(endpoint, encode_knock(nonce)))


def _knockable(link: Link) -> Endpoint | None:
    """Returns where a neighbour is seen that others could dial: over the path in use, else over another one that works.

    The two ends of a link choose their paths by themselves, and one of them may use link-local addresses.
    """
    spare = (path for path in link.paths if path.is_validated and path.liveness.state is PathState.ALIVE)
    paths = (link.paths.active, *spare)
    return next((path.endpoint for path in paths if address_to_tell(path.endpoint) is not None), None)
