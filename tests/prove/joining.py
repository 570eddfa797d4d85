"""The search of all that an attacker can do to joining by an invitation: one member, one token, two nodes that were invited.

Promised is that who has no token learns no key of the network and becomes nobody, even if he is told token and keys of all
nodes afterwards, or computes every X25519 secret later; that a token lets one node in, as often as its request may come; and
that an invited node takes an answer from the member alone, made to its own request.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from msgspec import structs

from mycelium.crypto import join_handshake
from mycelium.crypto.join_handshake import JoinInitiator, has_mac, hint_in, hint_of, read_request, secret_of
from mycelium.crypto.primitives import EXCHANGE_BYTES
from mycelium.daemon.invitations import Invitation
from mycelium.errors import HandshakeError
from mycelium.identity import PUBLIC_KEY_BYTES, SEED_BYTES, Identity
from mycelium.wire.datagram import PROTOCOL_VERSION, TAG_BYTES
from mycelium.wire.join import (
    ANSWER_PART_BYTES,
    JOIN_BYTES,
    JOIN_MAC_BYTES,
    JOIN_REPLY,
    JOIN_REPLY_HEAD,
    JOIN_REQUEST,
    JOIN_REQUEST_HEAD,
    JoinAnswer,
    JoinStatus,
    encode_answer,
)
from tests.prove.attacker import Broken, DolevYao, Searched, WireState, search
from tests.prove.handshakes import ALICE, BOB, WHOLE, Variant, left_out
from tests.prove.runs import Field, HandshakeRun, Party
from tests.prove.symbols import Knowledge, SymbolicPrimitives, Symbols

CAROL: Final = Identity(b"c" * SEED_BYTES)
PADDING_BYTES: Final = (
    JOIN_BYTES - JOIN_MAC_BYTES - JOIN_REQUEST_HEAD.size - EXCHANGE_BYTES - PUBLIC_KEY_BYTES - 2 * TAG_BYTES
)
REQUESTS: Final = 3  # that the member hears


class JoiningNode(HandshakeRun):
    """A node that was invited."""

    def __init__(self, *about: Any, token: bytes, member: Party) -> None:
        super().__init__(*about)
        self.is_initiator = True
        pin = member.identity.exchange_public_key
        self._initiator = JoinInitiator(
            self.owner.identity, None, token, pin=pin, entropy=self.primitives.entropy, primitives=self.primitives
        )
        self._send(self._initiator.requests()[0])
        self.answer: JoinAnswer | None = None

    def fields(self) -> tuple[Field, ...]:
        if self.answer is not None:
            return ()
        head, key = Field("join reply head", JOIN_REPLY_HEAD.size), Field("exchange key", EXCHANGE_BYTES)
        return head, key, Field("answer", ANSWER_PART_BYTES, is_sealed=True)

    def _take(self, message: bytes) -> None:
        self.answer = self._initiator.receive_reply(message)


class InvitingMember(HandshakeRun):
    """The member, which answers requests by one invitation."""

    def __init__(self, *about: Any, token: bytes, network_key: bytes) -> None:
        super().__init__(*about)
        self._network_key = network_key
        self.invitation = Invitation(secret=secret_of(token), uses=1, expires=1.0, name="")
        self.requests: tuple[bytes, ...] = ()  # that were granted
        self.granted: tuple[bytes, ...] = ()  # X25519 keys

    def fields(self) -> tuple[Field, ...]:
        if len(self.sent) == REQUESTS:
            return ()
        return (
            Field("join request head", JOIN_REQUEST_HEAD.size),
            Field("exchange key", EXCHANGE_BYTES),
            Field("static", PUBLIC_KEY_BYTES, is_sealed=True),
            Field("padding", PADDING_BYTES, is_sealed=True),
            Field("mac", JOIN_MAC_BYTES),
        )

    def _take(self, message: bytes) -> None:
        one, count = self.invitation, len(self.sent)
        if hint_in(message) != hint_of(one.secret):
            raise HandshakeError("no invitation of that hint")
        request = read_request(self.owner.identity, one.secret, message, self.primitives)
        if not has_mac(message, one.secret):
            raise HandshakeError("no valid mac")
        status = one.judge(request.exchange_key, at=0.0)
        if status is JoinStatus.GRANTED:
            self.invitation = structs.replace(one, joined=list({*one.joined, request.exchange_key}))
            self.requests = (*self.requests, message)
            self.granted = (*self.granted, request.exchange_key)
        answer = JoinAnswer(status, self._network_key if status is JoinStatus.GRANTED else bytes(32))
        own = SymbolicPrimitives(self.primitives.symbols, f"{self.name}/{count}")  # keys of its own for each reply
        [part] = encode_answer(answer)
        self.sent = (*self.sent, request.reply(0, part, entropy=own.entropy, primitives=own))


class JoinAttacker(DolevYao):
    """Knows what fields of a join request and its reply may hold."""

    def plain(self, field: Field, wire: WireState, run: HandshakeRun, begun: bytes, known: Knowledge) -> list[bytes]:
        nodes = [one for one in wire.runs if isinstance(one, JoiningNode)]
        [member] = [one for one in wire.runs if isinstance(one, InvitingMember)]
        secret = member.invitation.secret
        match field.kind:
            case "exchange key" if run is not member:
                keys = [one[JOIN_REPLY_HEAD.size : JOIN_REPLY_HEAD.size + EXCHANGE_BYTES] for one in member.sent]
                return [*keys, *super().plain(field, wire, run, begun, known)]
            case "join reply head":
                return [JOIN_REPLY_HEAD.pack(JOIN_REPLY, PROTOCOL_VERSION, 0)]
            case "join request head":
                return [JOIN_REQUEST_HEAD.pack(JOIN_REQUEST, PROTOCOL_VERSION, 0, hint_of(secret))]
            case "padding":
                return [bytes(PADDING_BYTES)]
            case "answer":
                return [bytes(ANSWER_PART_BYTES)]
            case "mac":
                made = [join_handshake._mac(begun, secret)] if known.has(secret) else []
                return [*made, *(one.sent[0][-JOIN_MAC_BYTES:] for one in nodes)]
        return super().plain(field, wire, run, begun, known)


class JoinSearch(NamedTuple):
    """One search. Secrets are revealed before all starts (`early`), or at any moment: m(ember), i(nvited nodes), t(oken)."""

    name: str
    early: str = ""
    late: str = ""
    nodes: int = 1


JOINS: Final = (
    JoinSearch("join, all keys and the token revealed late", late="mit"),
    JoinSearch("join, the keys of all nodes known", early="mi"),
    JoinSearch("join, two nodes with one token", nodes=2),
    JoinSearch("join, the token known", early="t"),
    JoinSearch("join, the token and the member's key known", early="mt"),
    JoinSearch("join, the token and the invited node's key known", early="it"),
)


def run_join_search(one: JoinSearch, variant: Variant = WHOLE, *, most: int) -> Searched:
    """Searches; raises Broken with what led to a promise that does not hold."""
    symbols = Symbols()
    token, network_key = symbols.secret("token", 16), symbols.secret("network key")
    member = Party("bob", BOB)
    invited = [Party("alice", ALICE), Party("carol", CAROL)][: one.nodes]
    secrets = {"m": {BOB.exchange_secret}, "i": {party.identity.exchange_secret for party in invited}, "t": {token}}
    with symbols.in_place(), left_out(variant):
        for party in (member, *invited):
            symbols.introduce(party.identity)

        def make(name: str) -> SymbolicPrimitives:
            return SymbolicPrimitives(symbols, name, binds=variant.binds)

        nodes = [
            JoiningNode(party.name, number, party, make, token=token, member=member)
            for number, party in enumerate(invited)
        ]
        runs = (*nodes, InvitingMember("member", 9, member, make, token=token, network_key=network_key))
        late = frozenset[bytes]().union(*(secrets[name] for name in one.late))
        attacker = JoinAttacker(symbols, [member, *invited], late)
        early = frozenset[bytes]().union(*(secrets[name] for name in one.early))
        return search(attacker, WireState(runs, early, {}), _check(network_key, token, nodes), most=most)


def _check(network_key: bytes, token: bytes, nodes: list[JoiningNode]) -> Callable[[DolevYao, WireState], None]:
    asked = {node.sent[0] for node in nodes}
    ephemerals = [node.primitives.entropy(EXCHANGE_BYTES) for node in nodes]
    secret_of_key = {node.owner.identity.exchange_public_key: node.owner.identity.exchange_secret for node in nodes}

    def complaints(attacker: DolevYao, wire: WireState) -> Iterator[str]:
        [member] = [run for run in wire.runs if isinstance(run, InvitingMember)]
        is_token_known, is_asked = token in wire.revealed, set(member.requests) <= asked
        others = [
            key for key in member.granted if secret_of_key.get(key, key) in wire.revealed or key not in secret_of_key
        ]
        if (is_asked or not others) and attacker.knowledge(wire).has(network_key):
            yield "the network's key is known"
        if not is_token_known and attacker.knowledge(wire, *ephemerals, *attacker.exchange_secrets).has(network_key):
            yield "who computes all X25519 secrets has the network's key"
        if len(member.invitation.joined) > member.invitation.uses:
            yield "one token let in two nodes"
        if not is_token_known and not is_asked:
            yield "the member lets in who was not invited"
        if BOB.exchange_secret not in wire.revealed and not is_asked and not others:
            yield "the member lets in a node that has not asked"
        for run in wire.runs:
            is_guarded = not is_token_known or BOB.exchange_secret not in wire.revealed
            if (
                isinstance(run, JoiningNode)
                and run.answer is not None
                and is_guarded
                and run.log[-1] not in member.sent
            ):
                yield f"{run.name} takes another's answer"

    def check(attacker: DolevYao, wire: WireState) -> None:
        for complaint in complaints(attacker, wire):
            raise Broken(f"{complaint}, after {', '.join(wire.trace)}")

    return check
