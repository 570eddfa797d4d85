"""A Dolev-Yao attacker on our own handshakes, and the search of all that he can do to a few of their runs.

The wire is his: he sees every message, may keep, copy, change and make up what he likes, and give any run anything next. He
makes what he has the parts of (`symbols.py`), runs handshakes himself under a key of his own, and may be given secrets of
others before all starts, or at any moment.

The plain fields of a message have a few values each: all that honest runs use, and his own. A sealed field is tried with the
run itself, which tells what it expects there: a seal that he has seen, or makes since he has its key and what it binds.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from mycelium.crypto.primitives import EXCHANGE_BYTES, KEM_SEED_BYTES
from mycelium.errors import HandshakeError
from mycelium.identity import SEED_BYTES, Identity
from mycelium.wire.beacon import INSTANCE_BYTES
from mycelium.wire.datagram import TAG_BYTES
from tests.prove.runs import TRAIN, Field, HandshakeRun, Party, heads
from tests.prove.symbols import Knowledge, SymbolicAead, SymbolicPrimitives, Symbols

MALLORY: Final = Party("mallory", Identity(b"m" * SEED_BYTES))


class WireState(NamedTuple):
    """A state of a search: the runs, what was revealed, and what had been revealed when each run became sure of its peer."""

    runs: tuple[HandshakeRun, ...]
    revealed: frozenset[bytes]
    revealed_before: dict[str, frozenset[bytes]]
    trace: tuple[str, ...] = ()

    def has_seen(self, token: bytes) -> bool:
        """Tells whether a token was sent."""
        return any(token in message for run in self.runs for message in run.sent)

    def mark(self) -> object:
        """Returns what equal states share."""
        return tuple(run.log for run in self.runs), self.revealed, frozenset(self.revealed_before.items())


class DolevYao:
    """What he can send, and what he knows."""

    def __init__(self, symbols: Symbols, parties: list[Party], late: frozenset[bytes]) -> None:
        self.symbols = symbols
        self._late = late  # secrets that are given to him at any one moment
        self._parties = [*parties, MALLORY]
        self._own = SymbolicPrimitives(symbols, MALLORY.name)
        symbols.introduce(MALLORY.identity)
        _, self._kem_public = self._own.kem_keypair(self._own.entropy(KEM_SEED_BYTES))
        ephemeral = self._own.entropy(EXCHANGE_BYTES)
        self._public = self._own.public_of(ephemeral)
        self._knowledge: dict[tuple[frozenset[bytes], frozenset[bytes]], Knowledge] = {}
        own = MALLORY.identity.exchange_secret, ephemeral, self._own.entropy(KEM_SEED_BYTES)
        self.exchange_secrets = [one.identity.exchange_secret for one in self._parties]
        self._secrets = frozenset((*own, symbols.secret(f"{MALLORY.name}/encapsulation")))

    def knowledge(self, wire: WireState, *more: bytes) -> Knowledge:
        """Returns what he knows, given some more secrets."""
        seen = frozenset(token for token in self.symbols.telling if wire.has_seen(token))
        of = wire.revealed.union(more), seen
        if of not in self._knowledge:
            self._knowledge[of] = Knowledge(self.symbols, self._secrets | of[0], seen)
        return self._knowledge[of]

    def after(self, wire: WireState) -> Iterator[WireState]:
        """Yields what can come of a state."""
        known = self.knowledge(wire)
        for number, run in enumerate(wire.runs):
            for message in self._messages(wire, run, run.fields(), b"", known):
                with suppress(HandshakeError):
                    yield self._given(wire, number, message)
        if not self._late <= wire.revealed:
            yield wire._replace(revealed=wire.revealed | self._late, trace=(*wire.trace, "reveal"))

    def _given(self, wire: WireState, number: int, message: bytes) -> WireState:
        run = wire.runs[number].take(message)
        runs = (*wire.runs[:number], run, *wire.runs[number + 1 :])
        before = wire.revealed_before
        if run.is_sure and run.name not in before:
            before = {**before, run.name: wire.revealed}
        return wire._replace(runs=runs, revealed_before=before, trace=(*wire.trace, f"{run.name} takes a message"))

    def _messages(
        self, wire: WireState, run: HandshakeRun, fields: tuple[Field, ...], begun: bytes, known: Knowledge
    ) -> Iterator[bytes]:
        """Yields messages that begin with some bytes, and that the run does not refuse before the end."""
        if not fields:
            if begun:
                yield begun
            return
        field, *rest = fields
        found = (
            self._seals(wire, run, fields, begun, known)
            if field.is_sealed
            else self.plain(field, wire, run, begun, known)
        )
        for value in found:
            yield from self._messages(wire, run, tuple(rest), begun + value, known)

    def _seals(
        self, wire: WireState, run: HandshakeRun, fields: tuple[Field, ...], begun: bytes, known: Knowledge
    ) -> list[bytes]:
        """Returns the values of the first field that its run opens."""
        symbols = self.symbols
        symbols.refused = None
        with suppress(HandshakeError):
            run.take(begun + bytes(sum(field.wire_bytes for field in fields)))
        wanted = symbols.refused
        if wanted is None:  # it was refused for something else
            return []
        length = fields[0].wire_bytes
        made = symbols.by_seal.get(wanted, [])
        found = dict.fromkeys(one for one in made if len(one) == length and wire.has_seen(one))
        if known.has(wanted.key) and known.has(wanted.ad):
            cipher = SymbolicAead(symbols, wanted.key)
            for plain in self.plain(fields[0], wire, run, begun, known):
                sealed = bytearray(len(plain) + TAG_BYTES)
                cipher.encrypt_into(wanted.nonce, plain, wanted.ad, sealed)
                found[bytes(sealed)] = None
        return list(found)

    def plain(self, field: Field, wire: WireState, run: HandshakeRun, begun: bytes, known: Knowledge) -> list[bytes]:
        """Returns the values of a field behind some bytes, or of what is sealed in it."""
        others = [other for other in wire.runs if other is not run]
        match field.kind:
            case "exchange key":
                ephemerals = [
                    one.primitives.public_of(one.primitives.entropy(EXCHANGE_BYTES)) for one in others if one.sent
                ]
                return [*ephemerals, self._public, *(one.identity.exchange_public_key for one in self._parties)]
            case "kem key":
                return [*self._kem_publics(others), self._kem_public]
            case "ciphertext":
                publics = [*self._kem_publics([run]), self._kem_public]
                return [self._own.kem_encapsulate(public)[1] for public in publics]
            case "static":
                return [one.identity.signing_public_key for one in self._parties]
            case "instance":
                return [bytes(INSTANCE_BYTES)]
            case "nothing":
                return [b""]
            case "train":
                return [TRAIN]
        return heads(field.kind, run, others, MALLORY)

    def _kem_publics(self, runs: list[HandshakeRun]) -> list[bytes]:
        return [
            run.primitives.kem_keypair(run.primitives.entropy(KEM_SEED_BYTES))[1] for run in runs if run.is_initiator
        ]


class Searched(NamedTuple):
    """What a search has covered."""

    states: int
    ends: int  # states in which a run has just come to its end
    is_complete: bool


class Broken(AssertionError):
    """A promise does not hold."""


Check = Callable[[DolevYao, WireState], None]


def search(attacker: DolevYao, first: WireState, check: Check, *, most: int) -> Searched:
    """Looks at all states that can come of one, or at so many; raises Broken with what led there."""
    seen, waiting, ends = {first.mark()}, deque([first]), 0
    while waiting:
        wire = waiting.popleft()
        for following in attacker.after(wire):
            mark = following.mark()
            if mark in seen:
                continue
            seen.add(mark)
            ends += len(following.revealed_before) > len(wire.revealed_before)
            check(attacker, following)
            waiting.append(following)
        if len(seen) >= most:
            return Searched(len(seen), ends, is_complete=False)
    return Searched(len(seen), ends, is_complete=True)
