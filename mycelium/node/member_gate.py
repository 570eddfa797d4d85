"""The gate of a network with members: routing and all else hear of a neighbour once it has shown a certificate.

Neighbours show theirs as soon as their link is up, and tell each other who was removed. What a link reports before that
waits, as far as it still holds then, and messages are dropped. A link without a certificate ends after some seconds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from mycelium.counters import counter, drops
from mycelium.errors import NotAMember
from mycelium.identity import ADDRESS_BYTES
from mycelium.limits import LINKS, MEMBER_CHECKS_AT_ONCE, MEMBER_CHECKS_PER_SECOND
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    LinkDown,
    LinkEvent,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.link.link import LinkState
from mycelium.membership.membership import Membership
from mycelium.node.neighbours import Neighbours
from mycelium.node.policing import end_forbidden
from mycelium.policy.base import Policy
from mycelium.routing.excess import MEMBERSHIP, Excesses
from mycelium.session.table import Sessions
from mycelium.timing import TokenBuckets
from mycelium.wire.control import Item
from mycelium.wire.membership import MemberProof, Removals

PROOF_WITHIN_S: Final = 5.0  # of its link coming up
BARRED_S: Final = 60.0  # for which a node that has shown none gets no other link
NO_PROOF: Final = "it shows no certificate of this network"
EXPIRED: Final = "its certificate has expired"
REMOVED: Final = "it was removed from this network"


@dataclass(slots=True)
class MemberCounters:
    """Totals since the node started."""

    members_shown: int = counter("Valid certificates that neighbours have shown.")
    members_refused: int = drops("Certificates of neighbours refused: of another network or node, expired, or removed.")
    removals_taken: int = counter("Newer parts of the removed members taken.")
    removals_refused: int = drops("Parts of the removed members refused: forged.")
    member_checks_over_budget: int = drops(
        "Certificates and parts of the removed members dropped: too many of one neighbour."
    )
    items_before_proof: int = drops("Control messages dropped: of neighbours without a certificate.")


@dataclass(slots=True)
class _Untold:
    """What to tell of a link once its neighbour has shown a certificate, and since when that is awaited."""

    up: LinkUp | NeighbourReset
    since: float
    suspected: LinkSuspected | None = None

    def take(self, event: LinkEvent) -> None:
        """Follows an event of the link."""
        match event:
            case LinkUp():
                self.up = event
            case NeighbourReset() | CostChanged():
                self.up = replace(self.up, cost=event.cost)
            case LinkMoved() if isinstance(self.up, LinkUp):
                self.up = replace(self.up, endpoint=event.after)
            case LinkSuspected():
                self.suspected = event
            case LinkTrusted():
                self.suspected = None


class MemberGate:
    """Lets events of links through to their owner; `on_refused` is told which node was refused, and why."""

    def __init__(
        self,
        membership: Membership,
        neighbours: Neighbours,
        sessions: Sessions,
        policy: Policy,
        *,
        excesses: Excesses,
        on_refused: Callable[..., None],
    ) -> None:
        self.membership = membership
        self.counters = MemberCounters()
        self._neighbours = neighbours
        self._sessions = sessions
        self._policy = policy
        self._excesses = excesses
        self._checks = TokenBuckets[bytes](MEMBER_CHECKS_PER_SECOND, keys=LINKS, burst=MEMBER_CHECKS_AT_ONCE)
        self._on_refused = on_refused
        self._until: dict[bytes, float] = {}  # by address: until when a neighbour is known as a member
        self._held: dict[bytes, _Untold] = {}  # by name of the link
        self._barred: dict[bytes, tuple[float, str]] = {}  # by address: until when, and why
        self._has_news = False  # of somebody who gets neither link nor session any more

    def bars(self, node: bytes) -> str | None:
        """Returns why a node gets neither link nor session, for people; None where it may have them."""
        if self.membership.has_removed(node):
            return REMOVED
        return self._barred[node][1] if node in self._barred else None

    # -- events of links -----------------------------------------------------------------------------------------------

    def sift(self, events: Iterable[LinkEvent], *, now: float) -> Iterator[LinkEvent]:
        """Yields the events that neighbours with certificates are the cause of, and ends of links."""
        for event in events:
            if isinstance(event, LinkUp | NeighbourReset):
                self._show(event.neighbour, now=now)
            if isinstance(event, ItemsReceived):
                yield from self._take_items(event, now=now)
            elif isinstance(event, LinkDown):
                self._held.pop(event.neighbour, None)
                yield event
            elif event.neighbour[:ADDRESS_BYTES] in self._until:
                yield event
            elif event.neighbour in self._held:
                self._held[event.neighbour].take(event)
            elif isinstance(event, LinkUp | NeighbourReset):
                self._held[event.neighbour] = _Untold(event, now)

    def _take_items(self, event: ItemsReceived, *, now: float) -> Iterator[LinkEvent]:
        name, address = event.neighbour, event.neighbour[:ADDRESS_BYTES]
        others: list[Item] = []
        for item in event.items:
            if isinstance(item, MemberProof):
                self._take_proof(address, item, now=now)
            elif isinstance(item, Removals):
                self.take_removals(item, source=name, now=now)
            else:
                others.append(item)
        if address not in self._until:
            self.counters.items_before_proof += len(others)
            return
        held = self._held.pop(name, None)
        if held is not None:
            yield held.up
            if held.suspected is not None:
                yield held.suspected
        if others:
            yield ItemsReceived(name, others)

    def _may_check(self, address: bytes, *, now: float) -> bool:
        """Tells whether one more signature is verified for a neighbour."""
        is_within = self._checks.take(address, now=now)
        if not is_within:
            self.counters.member_checks_over_budget += 1
            self._excesses.note(address, MEMBERSHIP, now=now)
        return is_within

    def _take_proof(self, address: bytes, proof: MemberProof, *, now: float) -> None:
        if not self._may_check(address, now=now):
            return
        try:
            until = self.membership.check(proof.chain, address, now=now)
        except NotAMember as reason:
            self.counters.members_refused += 1
            self._until.pop(address, None)
            self._bar(address, str(reason), now=now)
            return
        self.counters.members_shown += 1
        self._until[address] = until

    def _show(self, name: bytes, *, now: float) -> None:
        """Shows a neighbour this node's certificate, and who was removed."""
        link = self._neighbours.links.get(name)
        if link is not None and link.state is not LinkState.DOWN:
            link.send_items((MemberProof(self.membership.chain), *self.membership.removals.values()), now=now)

    # -- removals ------------------------------------------------------------------------------------------------------

    def take_removals(self, removals: Removals, *, source: bytes = b"", now: float) -> bool:
        """Takes a newer part of those removed, passes it on, and ends what they had; tells whether it is a newer one."""
        if not self.membership.is_newer(removals) or (source and not self._may_check(source[:ADDRESS_BYTES], now=now)):
            return False
        if not self.membership.take(removals):
            self.counters.removals_refused += 1
            return False
        self.counters.removals_taken += 1
        self._has_news = True
        for name, link in self._neighbours.links.items():
            if name != source and link.state is not LinkState.DOWN:
                link.send_items((removals,), now=now)
        for address in [one for one in self._until if self.membership.has_removed(one)]:
            del self._until[address]
        return True

    # -- time ----------------------------------------------------------------------------------------------------------

    def show_again(self, *, now: float) -> None:
        """Shows all neighbours this node's certificate: it has a new one."""
        for name in self._neighbours.links:
            self._show(name, now=now)

    def sweep(self, *, now: float) -> None:
        """Ends what has no certificate, or none any more; to be called every second."""
        for address in [one for one, (until, _) in self._barred.items() if until <= now]:
            del self._barred[address]
        for address in [one for one, until in self._until.items() if until <= now]:
            del self._until[address]
            self._bar(address, EXPIRED, now=now)
        for name in [one for one, held in self._held.items() if held.since + PROOF_WITHIN_S <= now]:
            del self._held[name]
            self._bar(name[:ADDRESS_BYTES], NO_PROOF, now=now)
        if self._has_news:
            self._has_news = False
            end_forbidden(self._neighbours, self._sessions, self._policy, now=now)
        if len(self._until) > LINKS:
            self._until = {one: until for one, until in self._until.items() if one in self._neighbours.links}

    def _bar(self, address: bytes, reason: str, *, now: float) -> None:
        if len(self._barred) >= LINKS and address not in self._barred:
            del self._barred[next(iter(self._barred))]
        if address not in self._barred:
            self._on_refused(address, reason, now=now)
        self._barred[address] = now + BARRED_S, reason
        self._has_news = True
