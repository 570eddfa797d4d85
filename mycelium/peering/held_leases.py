"""The leases that this node has at relays: asked for, bound, renewed while the link over them is in use, given up.

`ready` names the peers that can be dialled, and at which relay's port; `ended` those for whom there is no lease any more.
`requests` are for relays. The owner drains all three.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec import Struct

from mycelium.counters import counter
from mycelium.endpoint import Endpoint, is_same_remote
from mycelium.limits import LEASES_HELD
from mycelium.outbox import Outbox
from mycelium.peering.lease_binding import nonce_of, sealed_bind
from mycelium.wire.lease import (
    LEASE_BIND,
    LEASE_CHALLENGE,
    NO_NONCE,
    TOKEN_BYTES,
    LeaseAnswer,
    LeaseRequest,
    LeaseState,
)

RENEW_S: Final = 5.0  # between requests: some may be lost with a link to the relay, before a lease expires
OPENING_S: Final = 10.0  # in which a lease is given up unless the link over it is up
UNUSED_S: Final = 30.0  # after which a lease is given up if the link is not sent over it
BIND_AGAIN_S: Final = (0.1, 0.2, 0.4, 0.8, 1.5)  # waits between binds, of which any may be lost
NEVER_UP: Final = "no link came up across the leased port"
UNUSED: Final = "the link is not sent over it any more"
WORDS: Final = {
    LeaseState.ENDED: "the relay has ended it",
    LeaseState.FULL: "the relay gives no more leases",
    LeaseState.NOT_OFFERED: "the relay gives no leases",
    LeaseState.NO_NEIGHBOUR: "the relay has no link with the other end",
    LeaseState.NO_COMMON_FAMILY: "not both ends reach the relay by UDP over the same of IPv4 and IPv6",
}


class Ready(Struct, frozen=True):
    """A lease is open: `peer` answers at `endpoint`, a port of the relay."""

    peer: bytes
    endpoint: Endpoint


class Ended(Struct, frozen=True):
    """There is no lease, or none any more; `cause` is for people."""

    relay: bytes
    peer: bytes
    cause: str


@dataclass(slots=True)
class HeldLeaseCounters:
    """Totals since the node started."""

    leases_opened: int = counter("Leases of ports of relays that were opened for this node.")
    leases_lost: int = counter("Leases of ports of relays that were refused, never of use, or ended.")


class _Held:
    __slots__ = ("bind_at", "binds", "endpoint", "is_open", "keep_until", "request_at", "secret", "token", "was_used")

    def __init__(self, token: bytes, *, now: float) -> None:
        self.token = token
        self.secret = b""
        self.endpoint: Endpoint | None = None  # the leased port
        self.is_open = False
        self.request_at = now
        self.bind_at = inf
        self.binds = 0  # sent in a row
        self.keep_until = now + OPENING_S
        self.was_used = False


class HeldLeases:
    """Leases by relay and peer.

    `udp_endpoint` returns where a neighbour is reached by UDP, None if it is not; `is_used` tells whether the link with a
    peer is sent over an endpoint.
    """

    def __init__(
        self,
        *,
        udp_endpoint: Callable[[bytes], Endpoint | None],
        is_used: Callable[[bytes, Endpoint], bool],
        outbox: Outbox,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._udp_endpoint = udp_endpoint
        self._is_used = is_used
        self._outbox = outbox
        self._entropy = entropy
        self._held: dict[tuple[bytes, bytes], _Held] = {}
        self.requests: list[tuple[bytes, LeaseRequest]] = []
        self.ready: list[Ready] = []
        self.ended: list[Ended] = []
        self.counters = HeldLeaseCounters()

    def relay_at(self, endpoint: Endpoint) -> bytes | None:
        """Returns the relay of a leased port, whose address stands for that of the peer behind it; None for other endpoints."""
        for (relay, _), held in self._held.items():
            if held.endpoint is not None and is_same_remote(held.endpoint, endpoint):
                return relay
        return None

    def relay_for(self, peer: bytes) -> bytes | None:
        """Returns the relay that has been asked for a lease for a peer."""
        return next((relay for relay, other in self._held if other == peer), None)

    def is_open(self, relay: bytes, peer: bytes) -> bool:
        """Tells whether a lease that this node has, or has asked for, was opened."""
        return self._held[relay, peer].is_open

    def give_up(self, relay: bytes, peer: bytes) -> None:
        """Gives a lease up, or the request for one, in favour of another."""
        held = self._held.pop((relay, peer))
        self.requests.append((relay, LeaseRequest(peer, held.token, is_wanted=False)))

    def ask(self, relay: bytes, peer: bytes, *, now: float) -> bool:
        """Asks a neighbour for a lease to a peer, unless there is one; returns whether there is one now, or a request."""
        if (relay, peer) not in self._held:
            if len(self._held) >= LEASES_HELD or self._udp_endpoint(relay) is None:
                return False
            held = self._held[relay, peer] = _Held(self._entropy(TOKEN_BYTES), now=now)
            self._request(relay, peer, held, now=now)
        return True

    def answered(self, relay: bytes, answer: LeaseAnswer, *, now: float) -> None:
        """Takes what a relay says of a lease that this node has asked it for."""
        held = self._held.get((relay, answer.peer))
        if held is None or answer.token != held.token:
            return
        if answer.state in (LeaseState.GRANTED, LeaseState.OPEN):
            self._granted(relay, answer, held, now=now)
        elif answer.state in WORDS:
            del self._held[relay, answer.peer]
            self._ended(relay, answer.peer, WORDS[LeaseState(answer.state)])

    def _granted(self, relay: bytes, answer: LeaseAnswer, held: _Held, *, now: float) -> None:
        at = self._udp_endpoint(relay)
        if at is None or not answer.port:
            return
        if answer.secret != held.secret:  # a new one, as after a restart of the relay
            held.secret, held.is_open = answer.secret, False
            held.endpoint = Endpoint("udp", at.host, answer.port)
        assert held.endpoint is not None
        if answer.state == LeaseState.OPEN and not held.is_open:
            held.is_open, held.bind_at = True, inf
            held.keep_until = max(held.keep_until, now + OPENING_S)
            self.counters.leases_opened += 1
            self.ready.append(Ready(answer.peer, held.endpoint))
        elif not held.is_open and held.bind_at == inf:
            self._bind_anew(held, now=now)

    # -- where this node sends from ------------------------------------------------------------------------------------

    def rebind(self, endpoint: Endpoint | None = None, *, now: float) -> None:
        """Binds this node's address anew, at one leased port or at all: it may have changed, or a NAT's mapping of it."""
        for held in self._held.values():
            if held.endpoint is not None and (endpoint is None or is_same_remote(held.endpoint, endpoint)):
                self._bind_anew(held, now=now)

    def challenged(self, endpoint: Endpoint, data: bytes) -> bool:
        """Takes a datagram of a leased port, and answers it; returns False if it is none, or not authentic."""
        for held in self._held.values():
            if held.endpoint is not None and is_same_remote(held.endpoint, endpoint):
                nonce = nonce_of(data, LEASE_CHALLENGE, held.secret)
                if nonce is not None:
                    self._send_bind(held, nonce)
                    return True
        return False

    def _bind_anew(self, held: _Held, *, now: float) -> None:
        held.binds, held.bind_at = 0, now
        self._bind(held, now=now)

    def _bind(self, held: _Held, *, now: float) -> None:
        self._send_bind(held, NO_NONCE)
        held.bind_at = now + BIND_AGAIN_S[held.binds] if held.binds < len(BIND_AGAIN_S) else inf
        held.binds += 1

    def _send_bind(self, held: _Held, nonce: bytes) -> None:
        assert held.endpoint is not None
        datagram = sealed_bind(LEASE_BIND, nonce, held.secret)
        self._outbox.transmits.append((held.endpoint, [datagram], len(datagram), False, 0))

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted; infinity for never."""
        return min((min(held.request_at, held.bind_at) for held in self._held.values()), default=inf)

    def handle_timeout(self, *, now: float) -> None:
        """Binds again, renews what is in use, and gives up what is not."""
        for (relay, peer), held in list(self._held.items()):
            if now >= held.bind_at:
                self._bind(held, now=now)
            if now >= held.request_at:
                self._renew(relay, peer, held, now=now)

    def _renew(self, relay: bytes, peer: bytes, held: _Held, *, now: float) -> None:
        if held.is_open and held.endpoint is not None and self._is_used(peer, held.endpoint):
            held.was_used, held.keep_until = True, now + UNUSED_S
        if now < held.keep_until:
            self._request(relay, peer, held, now=now)
        else:
            self.give_up(relay, peer)
            self._ended(relay, peer, UNUSED if held.was_used else NEVER_UP)

    def _request(self, relay: bytes, peer: bytes, held: _Held, *, now: float) -> None:
        self.requests.append((relay, LeaseRequest(peer, held.token)))
        held.request_at = now + RENEW_S

    def _ended(self, relay: bytes, peer: bytes, cause: str) -> None:
        self.counters.leases_lost += 1
        self.ended.append(Ended(relay, peer, cause))
