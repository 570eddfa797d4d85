"""The leases that this node gives as a relay: which pairs of neighbours its kernel passes datagrams on between.

A lease is one UDP port. Both ends have to ask for it, and each has to bind the address that it sends from, by a challenge that
only whoever receives there can answer; so nobody can have datagrams passed on to a third party. The driver opens the port,
hands in what arrives there, and has the kernel pass on what the two bound addresses send.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from msgspec import Struct

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.identity import blake2b
from mycelium.limits import LEASE_BINDS_PER_SECOND, LEASE_REQUESTS_PER_SECOND, LEASES, LEASES_PER_NEIGHBOUR, NEIGHBOURS
from mycelium.outbox import LeaseClosed, LeaseOpened, LeasePortWanted, Outbox
from mycelium.peering.lease_binding import nonce_of, sealed_bind
from mycelium.timing import TokenBucket, TokenBuckets
from mycelium.wire.lease import (
    LEASE_BIND,
    LEASE_CHALLENGE,
    NONCE_BYTES,
    SECRET_BYTES,
    TOKEN_BYTES,
    LeaseAnswer,
    LeaseRequest,
    LeaseState,
)

LEASE_S: Final = 20.0  # from the last request of either end to the end of a lease, or of a request that stayed alone
LEASE_OPENING_S: Final = 5.0  # in which both ends have to bind an address
NO_TOKEN: Final = bytes(TOKEN_BYTES)
EXPIRED: Final = "not renewed"
UNBOUND: Final = "not both ends have bound an address in time"
GIVEN_UP: Final = "an end gave it up"
TWO_FAMILIES: Final = "one end binds an IPv4 address, the other an IPv6 one"

_Pair = tuple[bytes, bytes]  # neighbours, the lower address first


@dataclass(slots=True)
class LeaseCounters:
    """Totals since the node started."""

    leases_given: int = counter("Leases given to two neighbours, whose datagrams the kernel passed on.")
    leases_refused: int = counter("Requests for leases refused.")
    lease_requests_dropped: int = drops("Requests for leases dropped: too many of one neighbour.")
    lease_binds_refused: int = drops("Datagrams at leased ports dropped: no authentic binds, or too many.")
    lease_datagrams: int = counter(
        "Datagrams that the kernel passed on for leases that have ended, as far as it joins them."
    )
    lease_bytes: int = counter("Bytes of these, with their headers.")
    lease_addresses_moved: int = counter("Ends of leases that have bound another address than before.")


class _End:
    """One end of a lease, or of one that is wanted."""

    __slots__ = ("address", "moves", "renewed_at", "secret", "token")

    def __init__(self, token: bytes, *, now: float) -> None:
        self.token = token
        self.renewed_at = now
        self.secret = b""
        self.address: Endpoint | None = None  # where it receives, which it has proved
        self.moves = 0  # makes earlier challenges void


class Lease:
    """A leased port, from the moment that both ends have asked for it."""

    __slots__ = ("bucket", "ends", "opened_at", "port", "started_at", "state")

    def __init__(self, ends: dict[bytes, _End], *, now: float) -> None:
        self.ends = ends  # by neighbour, the lower address first
        self.port = 0  # until the driver has opened one
        self.state = LeaseState.WANTED
        self.started_at = now
        self.opened_at = inf
        self.bucket = TokenBucket(LEASE_BINDS_PER_SECOND, now=now)

    def expires_at(self) -> float:
        """When it ends unless something happens."""
        renewed = min(end.renewed_at for end in self.ends.values()) + LEASE_S
        return renewed if self.state is LeaseState.OPEN else min(renewed, self.started_at + LEASE_OPENING_S)


class EndedLease(Struct, frozen=True):
    """A lease that was open: its two ends, why it has ended, and what was passed on."""

    ends: tuple[bytes, ...]
    cause: str
    datagrams: int
    size: int


class Leases:
    """All leases of this relay, by number. `answers` are for neighbours, `opened` and `ended` for the journal.

    The owner drains all three. `family_of` returns 4 or 6 for a neighbour that reaches this node by UDP over IPv4 or IPv6, 0
    for one that does not, and None for who is no neighbour.
    """

    def __init__(
        self, *, family_of: Callable[[bytes], int | None], outbox: Outbox, entropy: Callable[[int], bytes]
    ) -> None:
        self._family_of = family_of
        self._outbox = outbox
        self._entropy = entropy
        self._nonce_key = entropy(NONCE_BYTES)
        self._wanted: dict[tuple[bytes, bytes], _End] = {}  # requests that stand alone, by who asks and for whom
        self._numbers: dict[_Pair, int] = {}
        self._count = 0
        self._buckets: TokenBuckets[bytes] = TokenBuckets(LEASE_REQUESTS_PER_SECOND, keys=NEIGHBOURS)
        self.by_number: dict[int, Lease] = {}
        self.is_offered = False  # set by a driver whose kernel can do it
        self.answers: list[tuple[bytes, LeaseAnswer]] = []
        self.opened: list[Lease] = []
        self.ended: list[EndedLease] = []
        self._closing: dict[int, tuple[Lease, str]] = {}  # until the driver has told what was passed on
        self.counters = LeaseCounters()

    # -- what neighbours ask -------------------------------------------------------------------------------------------

    def requested(self, neighbour: bytes, request: LeaseRequest, *, now: float) -> None:
        """Takes a neighbour's request: for a lease, to renew one, or to give one up."""
        if not self._buckets.take(neighbour, now=now):
            self.counters.lease_requests_dropped += 1
            return
        if not request.is_wanted:
            self._given_up(neighbour, request.peer, now=now)
            return
        number = self._numbers.get(_pair(neighbour, request.peer))
        if number is not None:
            self._renew(number, neighbour, request, now=now)
            return
        refusal = self._refusal(neighbour, request.peer)
        if refusal is not None:
            self.counters.leases_refused += 1
            self._wanted.pop((neighbour, request.peer), None)
            self.answers.append((neighbour, LeaseAnswer(request.peer, request.token, refusal)))
            return
        mine = self._wanted[neighbour, request.peer] = _End(request.token, now=now)
        other = self._wanted.get((request.peer, neighbour))
        if other is None:
            self.answers.append((neighbour, LeaseAnswer(request.peer, request.token, LeaseState.WANTED)))
            self.answers.append((request.peer, LeaseAnswer(neighbour, NO_TOKEN, LeaseState.WANTED)))
        else:
            self._start({neighbour: mine, request.peer: other}, now=now)

    def _refusal(self, neighbour: bytes, peer: bytes) -> LeaseState | None:
        if not self.is_offered:
            return LeaseState.NOT_OFFERED
        mine, other = self._family_of(neighbour), self._family_of(peer)
        if other is None or neighbour == peer:
            return LeaseState.NO_NEIGHBOUR
        if mine != other or not mine:
            return LeaseState.NO_COMMON_FAMILY
        is_beyond = self._share(neighbour, peer) >= LEASES_PER_NEIGHBOUR
        return LeaseState.FULL if is_beyond or len(self.by_number) >= LEASES else None

    def _share(self, neighbour: bytes, peer: bytes) -> int:
        """Returns how many leases, and requests that stand alone, a neighbour has besides that for `peer`."""
        alone = sum(asker == neighbour and other != peer for asker, other in self._wanted)
        return alone + sum(neighbour in lease.ends for lease in self.by_number.values())

    def _start(self, ends: dict[bytes, _End], *, now: float) -> None:
        """Has a port opened for two neighbours that have both asked."""
        one, other = sorted(ends)
        del self._wanted[one, other], self._wanted[other, one]
        self._count += 1
        for end in ends.values():
            end.secret = self._entropy(SECRET_BYTES)
        self.by_number[self._count] = Lease({one: ends[one], other: ends[other]}, now=now)
        self._numbers[one, other] = self._count
        self._outbox.events.append(LeasePortWanted(self._count))

    def _renew(self, number: int, neighbour: bytes, request: LeaseRequest, *, now: float) -> None:
        lease = self.by_number[number]
        end = lease.ends[neighbour]
        end.token, end.renewed_at = request.token, now
        if lease.port:
            self._answer(lease, neighbour)

    def _given_up(self, neighbour: bytes, peer: bytes, *, now: float) -> None:
        self._wanted.pop((neighbour, peer), None)
        number = self._numbers.get(_pair(neighbour, peer))
        if number is not None:
            self.end(number, GIVEN_UP)

    def _answer(self, lease: Lease, neighbour: bytes) -> None:
        """Tells one end what has become of a lease."""
        end = lease.ends[neighbour]
        peer = next(other for other in lease.ends if other != neighbour)
        self.answers.append((neighbour, LeaseAnswer(peer, end.token, lease.state, lease.port, end.secret)))

    def _answer_both(self, lease: Lease) -> None:
        for neighbour in lease.ends:
            self._answer(lease, neighbour)

    # -- what the driver reports ---------------------------------------------------------------------------------------

    def port_opened(self, number: int, port: int) -> None:
        """Takes the port that `LeasePortWanted` asked for."""
        lease = self.by_number.get(number)
        if lease is not None:
            lease.port, lease.state = port, LeaseState.GRANTED
            self._answer_both(lease)

    def arrived(self, number: int, source: Endpoint, data: bytes, *, now: float) -> bytes | None:
        """Takes a datagram that the kernel did not pass on; returns the answer to its source, if there is one."""
        lease = self.by_number.get(number)
        if lease is None or not lease.bucket.take(now=now):
            self.counters.lease_binds_refused += 1
            return None
        for neighbour, end in lease.ends.items():
            nonce = nonce_of(data, LEASE_BIND, end.secret)
            if nonce is None:
                continue
            valid = self._nonce(number, neighbour, end, source)
            if nonce != valid:
                return sealed_bind(LEASE_CHALLENGE, valid, end.secret)
            if source != end.address:
                self._bound(number, end, source)
            return None
        self.counters.lease_binds_refused += 1
        return None

    def _nonce(self, number: int, neighbour: bytes, end: _End, source: Endpoint) -> bytes:
        """Returns the nonce that proves a source address until the end moves."""
        said = f"{number} {end.moves} {source.port} {source.host} ".encode() + neighbour
        return blake2b(said, size=NONCE_BYTES, key=self._nonce_key)

    def _bound(self, number: int, end: _End, source: Endpoint) -> None:
        lease = self.by_number[number]
        self.counters.lease_addresses_moved += end.address is not None
        end.address = source
        end.moves += 1
        addresses = [one.address for one in lease.ends.values() if one.address is not None]
        if len(addresses) < len(lease.ends):
            return
        if len({":" in address.host for address in addresses}) > 1:
            self.end(number, TWO_FAMILIES)
            return
        self._outbox.events.append(LeaseOpened(number, *addresses))

    def passes(self, number: int, *, now: float) -> None:
        """Takes that the kernel passes on what `LeaseOpened` asked for."""
        lease = self.by_number.get(number)
        if lease is None or lease.state is LeaseState.OPEN:
            return
        lease.state, lease.opened_at = LeaseState.OPEN, now
        self.counters.leases_given += 1
        self.opened.append(lease)
        self._answer_both(lease)

    def end(self, number: int, cause: str) -> None:
        """Ends a lease, for a cause that people read; the driver may call it too."""
        lease = self.by_number.pop(number, None)
        if lease is None:
            return
        del self._numbers[_pair(*lease.ends)]
        self._outbox.events.append(LeaseClosed(number))
        lease.state, lease.port = LeaseState.ENDED, 0
        for end in lease.ends.values():
            end.secret = bytes(SECRET_BYTES)
        self._answer_both(lease)
        self._closing[number] = lease, cause

    def closed(self, number: int, datagrams: int, size: int) -> None:
        """Takes how many datagrams and bytes the kernel has passed on for a lease that has ended."""
        lease, cause = self._closing.pop(number)
        self.counters.lease_datagrams += datagrams
        self.counters.lease_bytes += size
        if lease.opened_at < inf:
            self.ended.append(EndedLease(tuple(lease.ends), cause, datagrams, size))

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted; infinity for never."""
        alone = min((end.renewed_at for end in self._wanted.values()), default=inf) + LEASE_S
        return min(alone, min((lease.expires_at() for lease in self.by_number.values()), default=inf))

    def handle_timeout(self, *, now: float) -> None:
        """Ends the leases, and forgets the requests, that were not renewed."""
        self._wanted = {names: end for names, end in self._wanted.items() if now < end.renewed_at + LEASE_S}
        for number, lease in list(self.by_number.items()):
            if now >= lease.expires_at():
                self.end(number, EXPIRED if lease.state is LeaseState.OPEN else UNBOUND)


def _pair(one: bytes, other: bytes) -> _Pair:
    return (one, other) if one < other else (other, one)
