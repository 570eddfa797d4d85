"""The gate of a network with members: routing and all else hear of a neighbour once it has shown a certificate.

Neighbours show theirs as soon as their link is up, and tell each other who was removed. A certificate that names an ML-DSA key
has the link prove it (`link/key_proofs.py`) before it counts. What a link reports before that waits, as far as it still holds
then, and messages are dropped. A link without all of it ends after some seconds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from mycelium.counters import counter, drops
from mycelium.errors import DecodeError, NotAMember
from mycelium.identity import ADDRESS_BYTES, address_of_exchange_key, blake2b, exchange_key_of_signing_key
from mycelium.limits import MEMBER_CHECKS_AT_ONCE, MEMBER_CHECKS_OF_ALL, MEMBER_CHECKS_PER_SECOND, NEIGHBOURS, SESSIONS
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    KeyProved,
    LinkDown,
    LinkEvent,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.link.link import Link, LinkState
from mycelium.membership.assembly import Assembly
from mycelium.membership.certificates import Claims
from mycelium.membership.membership import Membership
from mycelium.node.neighbours import Neighbours
from mycelium.node.policing import end_forbidden
from mycelium.policy.base import Policy
from mycelium.routing.excess import MEMBERSHIP, Excesses
from mycelium.session.table import Sessions
from mycelium.timing import SharedBucket, TokenBuckets
from mycelium.wire.control import Item
from mycelium.wire.membership import (
    Chain,
    MemberPiece,
    Removals,
    decode_chain,
    decode_statement,
    encode_chain,
    pieces_of,
)

PROOF_WITHIN_S: Final = 5.0  # of its link coming up
_DIGEST_BYTES: Final = 16
# whose certificates are known, and as many that are barred: all of those whose issuer was removed are at once
_NODES: Final = NEIGHBOURS + SESSIONS
BARRED_S: Final = 60.0  # for which a node that has shown none gets no other link
NO_PROOF: Final = "it shows no certificate of this network"
NO_KEY: Final = "it does not prove the ML-DSA key that its certificate names"
OTHER_KEY: Final = "its certificate names another ML-DSA key than it is pinned to"
EXPIRED: Final = "its certificate has expired"
REMOVED: Final = "it was removed from this network"


@dataclass(slots=True)
class MemberCounters:
    """Totals since the node started."""

    members_shown: int = counter("Valid certificates that neighbours have shown, those that were known included.")
    members_refused: int = drops("Certificates of neighbours refused: of another network or node, expired, or removed.")
    removals_taken: int = counter("Newer parts of the removed members taken.")
    removals_refused: int = drops("Parts of the removed members refused: forged.")
    member_pieces_lost: int = drops(
        "Certificates and parts of the removed members dropped: unreadable, or without their beginning."
    )
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
    items: list[Item] = field(default_factory=list)  # that came with the certificate, before the key was proved
    is_down: bool = False  # since then: it comes up once the key is proved

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


@dataclass(slots=True)
class _Known:
    """A certificate that is valid."""

    digest: bytes  # of it and its issuer's
    claims: Claims


class _Checks:
    """How many signatures are verified for `nodes` nodes: those next to this one have a share, and those further away."""

    def __init__(self, *, nodes: int) -> None:
        self.of_one = TokenBuckets[bytes](MEMBER_CHECKS_PER_SECOND, keys=nodes, burst=MEMBER_CHECKS_AT_ONCE)
        self.of_all = SharedBucket[bytes](MEMBER_CHECKS_OF_ALL, keys=2 * nodes, now=0.0)


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
        self._checks, self._partner_checks = _Checks(nodes=NEIGHBOURS), _Checks(nodes=SESSIONS)
        self._on_refused = on_refused
        self._known: dict[bytes, _Known] = {}  # by address
        # Of links, whose names may change meanwhile; None stands for one that is gone.
        self._assemblies: dict[Link | None, Assembly] = {}
        self._held: dict[Link | None, _Untold] = {}
        self._barred: dict[bytes, tuple[float, str]] = {}  # by address: until when, and why
        self._has_news = False  # of somebody who gets neither link nor session any more

    def bars(self, node: bytes) -> str | None:
        """Returns why a node gets neither link nor session, for people; None where it may have them."""
        if self.membership.has_removed(node):
            return REMOVED
        return self._barred[node][1] if node in self._barred else None

    def certified(self, exchange_key: bytes) -> bytes | None:
        """Returns the fingerprint of the ML-DSA key that the certificate of an X25519 key's holder names, if it is known."""
        known = self._known.get(address_of_exchange_key(exchange_key))
        return None if known is None else known.claims.fingerprint

    def knows(self, exchange_key: bytes) -> bool:
        """Tells whether the certificate of an X25519 key's holder is known."""
        return address_of_exchange_key(exchange_key) in self._known

    def shown(self) -> bytes:
        """Returns this node's certificates, for a partner that wants them."""
        return encode_chain(self.membership.chain)

    def admit(self, partner: bytes, certificates: bytes, *, now: float) -> bool:
        """Takes the certificates that a partner has shown, unless too many are checked already; raises NotAMember."""
        try:
            return self._admit(partner, decode_chain(certificates), self._partner_checks, now=now)
        except NotAMember:
            self.counters.members_refused += 1
            raise

    # -- events of links -----------------------------------------------------------------------------------------------

    def sift(self, events: Iterable[LinkEvent], *, now: float) -> Iterator[LinkEvent]:
        """Yields the events that neighbours with certificates are the cause of, and ends of links."""
        for event in events:
            name = event.neighbour
            link = self._neighbours.links.get(name)
            if isinstance(event, LinkUp | NeighbourReset):
                self._show(name, now=now)
            if isinstance(event, ItemsReceived):
                yield from self._take_items(event, now=now)
            elif isinstance(event, KeyProved):
                yield from self._release(name)
            elif isinstance(event, LinkDown):
                yield from self._take_down(event)
            elif isinstance(event, LinkUp | NeighbourReset) and self._passes(name):
                self._held.pop(link, None)
                yield event
            elif link in self._held:
                self._held[link].take(event)
            elif isinstance(event, LinkUp | NeighbourReset):
                self._held[link] = _Untold(event, now)
            elif name[:ADDRESS_BYTES] in self._known:
                yield event

    def _passes(self, name: bytes) -> bool:
        """Tells whether a link is with a member: it has shown a certificate, and proved the key that this names."""
        known, link = self._known.get(name[:ADDRESS_BYTES]), self._neighbours.links.get(name)
        if known is None or known.claims.fingerprint is None:
            return known is not None
        return link is not None and link.proofs.has_proved(known.claims.fingerprint)

    def _take_down(self, event: LinkDown) -> Iterator[LinkEvent]:
        """Yields the end of a link, unless it only waits for a proof: before that has come nothing counts as a sign of life."""
        name = event.neighbour
        link = self._neighbours.links.get(name)
        if link in self._held and name[:ADDRESS_BYTES] in self._known:
            self._held[link].is_down = True
            return
        self._held.pop(link, None)
        yield event

    def _release(self, name: bytes) -> Iterator[LinkEvent]:
        """Yields what was held of a link, if it is with a member and still up."""
        link = self._neighbours.links.get(name)
        if link not in self._held or not self._passes(name) or self._held[link].is_down:
            return
        held = self._held.pop(link)
        yield replace(held.up, neighbour=name)
        if held.suspected is not None:
            yield replace(held.suspected, neighbour=name)
        if held.items:
            yield ItemsReceived(name, held.items)

    def _take_items(self, event: ItemsReceived, *, now: float) -> Iterator[LinkEvent]:
        name = event.neighbour
        link = self._neighbours.links.get(name)
        others: list[Item] = []
        for item in event.items:
            if isinstance(item, MemberPiece):
                self._take_piece(name, item, now=now)
            else:
                others.append(item)
        yield from self._release(name)
        if not others:
            return
        if self._passes(name):
            yield ItemsReceived(name, others)
        elif link in self._held and name[:ADDRESS_BYTES] in self._known:
            self._held[link].items += others
        else:
            self.counters.items_before_proof += len(others)

    def _take_piece(self, name: bytes, piece: MemberPiece, *, now: float) -> None:
        link = self._neighbours.links.get(name)
        assembly = self._assemblies.setdefault(link, Assembly())
        whole = assembly.add(piece)
        if assembly.is_empty:
            del self._assemblies[link]
        if whole is None:
            self.counters.member_pieces_lost += assembly.is_empty
            return
        try:
            statement = decode_statement(piece.kind, whole)
        except DecodeError:
            self.counters.member_pieces_lost += 1
            return
        if isinstance(statement, Removals):
            self.take_removals(statement, source=name, now=now)
        else:
            self._take_chain(name, statement, now=now)

    def _may_check(self, address: bytes, checks: _Checks, *, now: float) -> bool:
        """Tells whether signatures are verified once more for a node."""
        is_modest = checks.of_one.take(address, now=now)
        if is_modest and checks.of_all.take(address, now=now):
            return True
        self.counters.member_checks_over_budget += 1
        if not (is_modest and checks.of_all.takes_little(address, now=now)):
            self._excesses.note(address, MEMBERSHIP, now=now)
        return False

    def _take_chain(self, name: bytes, chain: Chain, *, now: float) -> None:
        address, before = name[:ADDRESS_BYTES], self._known.get(name[:ADDRESS_BYTES])
        try:
            if not self._admit(address, chain, self._checks, now=now):
                return
        except NotAMember as reason:
            self.counters.members_refused += 1
            self._known.pop(address, None)
            self._bar(address, str(reason), now=now)
            return
        link = self._neighbours.links.get(name)
        if link in self._held and self._known[address] is not before:
            self._held[link].since = now  # from which on the proof of the key is awaited

    def _admit(self, address: bytes, chain: Chain, checks: _Checks, *, now: float) -> bool:
        """Takes the certificates of a node, unless too many are checked already; raises NotAMember."""
        digest, known = blake2b(encode_chain(chain), size=_DIGEST_BYTES), self._known.get(address)
        if known is None or known.digest != digest:
            if not self._may_check(address, checks, now=now):
                return False
            self._known[address] = _Known(digest, self._checked(address, chain, now=now))
        self.counters.members_shown += 1
        for link in self._neighbours.links.values():
            if link.address == address:
                link.proofs.want(self._neighbours.peering.proof_wanted(link.exchange_key), now=now)
        return True

    def _checked(self, address: bytes, chain: Chain, *, now: float) -> Claims:
        """Returns what a node's certificates say, if it is true; raises NotAMember."""
        claims = self.membership.check_claims(chain, address, now=now)
        pinned = self._neighbours.peering.peers.fingerprint_of(exchange_key_of_signing_key(chain.own.key))
        if claims.fingerprint is not None and pinned not in (None, claims.fingerprint):
            raise NotAMember(OTHER_KEY)
        self.membership.check_signatures(chain)
        return claims

    def _show(self, name: bytes, *, now: float) -> None:
        """Shows a neighbour this node's certificate, and who was removed."""
        link = self._neighbours.links.get(name)
        if link is not None and link.state is not LinkState.DOWN:
            link.send_items(pieces_of(self.membership.chain), now=now)
            for removals in self.membership.removals.values():
                link.send_items(pieces_of(removals), now=now)

    # -- removals ------------------------------------------------------------------------------------------------------

    def take_removals(self, removals: Removals, *, source: bytes = b"", now: float) -> bool:
        """Takes a newer part of those removed, passes it on, and ends what they had; tells whether it is a newer one."""
        if not self.membership.is_newer(removals):
            return False
        if source and not self._may_check(source[:ADDRESS_BYTES], self._checks, now=now):
            return False
        if not self.membership.take(removals):
            self.counters.removals_refused += 1
            return False
        self.counters.removals_taken += 1
        self._has_news = True
        for name, link in self._neighbours.links.items():
            if name != source and link.state is not LinkState.DOWN:
                link.send_items(pieces_of(removals), now=now)
        self._refuse_removed(now=now)
        return True

    def _refuse_removed(self, *, now: float) -> None:
        """Bars those who were removed, and whom they have invited."""
        for address, known in list(self._known.items()):
            try:
                self.membership.check_not_removed(known.claims)
            except NotAMember as reason:
                del self._known[address]
                self._bar(address, str(reason), now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def show_again(self, *, now: float) -> None:
        """Shows all neighbours this node's certificate: it has a new one."""
        for name in self._neighbours.links:
            self._show(name, now=now)

    def pardon(self) -> None:
        """Lets those try again who were refused: the clock that they were judged by was set."""
        self._barred.clear()

    def sweep(self, *, now: float) -> None:
        """Ends what has no certificate, or none any more; to be called every second."""
        for address in [one for one, (until, _) in self._barred.items() if until <= now]:
            del self._barred[address]
        at = now + self.membership.offset_s  # the clock of this host may have been set
        self._end_expired([one for one, known in self._known.items() if known.claims.until <= at], now=now)
        for link in [one for one, held in self._held.items() if held.since + PROOF_WITHIN_S <= now]:
            held = self._held.pop(link)
            address = held.up.neighbour[:ADDRESS_BYTES]
            if held.is_down:  # perhaps it was cut off; its links do not come up before they have proved the key
                self._on_refused(address, NO_KEY, now=now)
            elif link is None or self._neighbours.links.get(link.name) is link:
                self._bar(address, NO_KEY if address in self._known else NO_PROOF, now=now)
        current = set(self._neighbours.links.values())
        for link in [one for one in self._assemblies if one not in current]:
            del self._assemblies[link]
        if self._has_news:
            self._has_news = False
            end_forbidden(self._neighbours, self._sessions, self._policy, now=now)
        if len(self._known) > _NODES:
            in_use = self._neighbours.links.keys() | self._sessions.by_peer.keys()
            self._known = {one: known for one, known in self._known.items() if one in in_use}

    def _end_expired(self, addresses: list[bytes], *, now: float) -> None:
        """Ends links with nodes whose certificate has expired, and has partners further away show a newer one."""
        neighbours = {link.address for link in self._neighbours.links.values()}
        for address in addresses:
            del self._known[address]
            if address in neighbours:
                self._bar(address, EXPIRED, now=now)
        if addresses:
            self._sessions.want_proofs(now=now)

    def _bar(self, address: bytes, reason: str, *, now: float) -> None:
        if len(self._barred) >= _NODES and address not in self._barred:
            del self._barred[next(iter(self._barred))]
        if address not in self._barred:
            self._on_refused(address, reason, now=now)
        self._barred[address] = now + BARRED_S, reason
        self._has_news = True
