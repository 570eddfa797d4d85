"""Leases of relays' ports at one node: those that it gives, those that it has, and the links across them."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from mycelium.endpoint import Endpoint, is_same_remote
from mycelium.identity import Identity
from mycelium.link.link import Link, LinkState
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.outbox import Outbox
from mycelium.peering.dialler import Candidate, Dialler, Source
from mycelium.peering.held_leases import HeldLeases
from mycelium.peering.leases import NO_TOKEN, Leases
from mycelium.peering.shortcuts import ShortcutFailed
from mycelium.quantity import quantity
from mycelium.wire.lease import LeaseItem, LeaseRequest, LeaseState

OVER_UDP: Final = ("udp", "quic")  # schemes of endpoints whose host is reached by UDP


class FailureHandler(Protocol):
    """Takes an attempt at a shortcut that failed: there may be a better way between both ends than the relays in use."""

    def __call__(self, failed: ShortcutFailed, *, now: float) -> None: ...


class LeaseMesh(Protocol):
    """What the ends of leases need of the rest of the node."""

    on_failure: FailureHandler

    def key_of(self, peer: bytes) -> bytes | None:
        """Returns the X25519 key of a node; None for an unknown one."""

    def is_wanted(self, peer: bytes) -> bool:
        """Tells whether a link with a node would be of use."""

    def delay_over(self, relay: bytes, peer: bytes) -> int:
        """Returns the metric of the way to a node over a neighbour."""

    def adopt(self, peer: bytes, *, now: float) -> None:
        """Prefers a link to relays, and closes it once nothing needs it."""


class Leasing:
    """Ties leases to links. It gives leases at once, but asks for none before `start`."""

    def __init__(
        self,
        identity: Identity,
        links: dict[bytes, Link],
        dialler: Dialler,
        journal: Journal,
        outbox: Outbox,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._address = identity.address
        self._links = links
        self._dialler = dialler
        self._journal = journal
        self._mesh: LeaseMesh | None = None
        self._relays: dict[bytes, list[bytes]] = {}  # by peer: those that may be asked yet, the best one last
        self.given = Leases(family_of=self._family_of, outbox=outbox, entropy=entropy)
        self.held = HeldLeases(udp_endpoint=self._udp_endpoint, is_used=self._is_used, outbox=outbox, entropy=entropy)

    def start(self, mesh: LeaseMesh) -> None:
        """Begins to ask relays for leases where there can be no direct link, and to agree to those that others ask for."""
        self._mesh = mesh
        mesh.on_failure = self._no_shortcut

    def take(self, neighbour: bytes, items: Iterable[LeaseItem], *, now: float) -> None:
        """Takes what a neighbour asks of this relay, or answers as one."""
        for item in items:
            if isinstance(item, LeaseRequest):
                self.given.requested(neighbour, item, now=now)
            elif item.token == NO_TOKEN and item.state == LeaseState.WANTED:
                self._invited(neighbour, item.peer, now=now)
            else:
                self.held.answered(neighbour, item, now=now)
        self.pass_on(now=now)

    # -- leases of other relays ----------------------------------------------------------------------------------------

    def _no_shortcut(self, failed: ShortcutFailed, *, now: float) -> None:
        """Asks the best of the relays that both ends have in common, then the next one; last one whose lease has failed."""
        peer = failed.peer
        chosen = self.held.relay_for(peer)
        if self._mesh is None or (chosen is not None and not self.held.is_open(chosen, peer)):
            return
        if chosen is not None:
            self.held.give_up(chosen, peer)
        delays = {relay: self._mesh.delay_over(relay, peer) for relay in failed.common}
        self._relays[peer] = sorted(delays, key=lambda relay: (relay != chosen, -delays[relay]))
        self._ask_next(peer, now=now)
        self.pass_on(now=now)

    def _ask_next(self, peer: bytes, *, now: float) -> None:
        relays = self._relays.pop(peer, [])
        while relays and self.held.relay_for(peer) is None:
            self.held.ask(relays.pop(), peer, now=now)
        if relays:
            self._relays[peer] = relays

    def _invited(self, relay: bytes, peer: bytes, *, now: float) -> None:
        """Asks too, after a peer has asked a relay for a lease. Where both have asked, that of the lower address counts."""
        if self._mesh is None or not self._mesh.is_wanted(peer):
            return
        chosen = self.held.relay_for(peer)
        if chosen is not None and chosen != relay:
            if self._address < peer and not self.held.is_open(chosen, peer):
                return
            self.held.give_up(chosen, peer)
        self.held.ask(relay, peer, now=now)

    def linked(self, neighbour: bytes, endpoint: Endpoint, *, now: float) -> bool:
        """Takes that a link is up; tells whether it crosses a leased port."""
        relay = self.held.relay_at(endpoint)
        if relay is None or self._mesh is None:
            return False
        self._relays.pop(neighbour, None)
        self._mesh.adopt(neighbour, now=now)
        self._journal.note(EventKind.LEASE_USED, node=neighbour, after=relay, now=now)
        return True

    def suspected(self, neighbour: bytes, *, now: float) -> None:
        """Binds this node's address anew if the link with a neighbour crosses a leased port: a NAT may have changed it."""
        self.held.rebind(self._links[neighbour].paths.active.endpoint, now=now)

    def pass_on(self, *, now: float) -> None:
        """Sends what relays and neighbours are to be told, dials what is open, and tells the journal what has ended."""
        messages: list[tuple[bytes, LeaseItem]] = [*self.held.requests, *self.given.answers]
        self.held.requests.clear()
        self.given.answers.clear()
        for neighbour, item in messages:
            link = self._links.get(neighbour)
            if link is not None and link.state is not LinkState.DOWN:
                link.send_items([item], now=now)
        for ready in self.held.ready:
            key = None if self._mesh is None else self._mesh.key_of(ready.peer)
            if key is not None and self._address < ready.peer:  # one of the two ends is enough
                self._dialler.dial(Candidate(ready.endpoint, Source.LEASE, key), now=now)
        self.held.ready.clear()
        self._note(now=now)

    def _note(self, *, now: float) -> None:
        """Tells the journal which leases have opened and ended, of those given and those held."""
        note, given, held = self._journal.note, self.given, self.held
        for lease in given.opened:
            one, other = lease.ends
            note(EventKind.LEASE_GIVEN, node=one, after=other, count=lease.port, now=now)
        for over in given.ended:
            one, other = over.ends
            cause = f"{over.cause}; {quantity(over.datagrams, 'datagram')}, {quantity(over.size, 'byte')} passed on"
            note(EventKind.LEASE_OVER, node=one, after=other, cause=cause, now=now)
        for none in held.ended:
            note(EventKind.LEASE_NONE, node=none.peer, after=none.relay, cause=none.cause, now=now)
            self._ask_next(none.peer, now=now)
        given.opened.clear()
        given.ended.clear()
        held.ended.clear()

    # -- what the driver reports ---------------------------------------------------------------------------------------

    def port_opened(self, number: int, port: int, *, now: float) -> None:
        """Takes the port that `LeasePortWanted` asked for."""
        self.given.port_opened(number, port)
        self.pass_on(now=now)

    def arrived(self, number: int, source: Endpoint, data: bytes, *, now: float) -> bytes | None:
        """Takes a datagram at a leased port that the kernel did not pass on; returns the answer to it, if there is one."""
        answer = self.given.arrived(number, source, data, now=now)
        self.pass_on(now=now)
        return answer

    def passes(self, number: int, *, now: float) -> None:
        """Takes that the kernel does what `LeaseOpened` asked for."""
        self.given.passes(number, now=now)
        self.pass_on(now=now)

    def failed(self, number: int, cause: str, *, now: float) -> None:
        """Ends a lease that the host can't serve, or not any more."""
        self.given.end(number, cause)
        self.pass_on(now=now)

    def closed(self, number: int, datagrams: int, size: int, *, now: float) -> None:
        """Takes what was passed on for a lease, once `LeaseClosed` is answered."""
        self.given.closed(number, datagrams, size)
        self.pass_on(now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted; infinity for never."""
        return min(self.given.next_deadline(), self.held.next_deadline())

    def handle_timeout(self, *, now: float) -> None:
        """Renews and gives up what is held, ends what was given and not renewed."""
        self.given.handle_timeout(now=now)
        self.held.handle_timeout(now=now)
        self.pass_on(now=now)

    # -- links ---------------------------------------------------------------------------------------------------------

    def _udp_endpoint(self, neighbour: bytes) -> Endpoint | None:
        """Returns where a neighbour is reached by UDP, beyond the local network; None if it is not."""
        link = self._links.get(neighbour)
        if link is None or link.state is LinkState.DOWN:
            return None
        endpoint = link.paths.active.endpoint
        return endpoint if endpoint.scheme in OVER_UDP and not endpoint.scope else None

    def _family_of(self, neighbour: bytes) -> int | None:
        link = self._links.get(neighbour)
        if link is None or link.state is LinkState.DOWN:
            return None
        endpoint = self._udp_endpoint(neighbour)
        return 0 if endpoint is None else 6 if ":" in endpoint.host else 4

    def _is_used(self, peer: bytes, endpoint: Endpoint) -> bool:
        """Tells whether the link with a node is up, and sent over a leased port."""
        link = self._links.get(peer)
        if link is None or link.state is LinkState.DOWN:
            return False
        return is_same_remote(link.paths.active.endpoint, endpoint)
