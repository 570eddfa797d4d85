"""What handshakes promise, as lemmas that are checked in each state of a search.

Of a run that is sure of its peer, as `sound` says: an honest node whose key was not revealed before, or in a private network
whose key is secret any node at all.

- Secrecy: the attacker has neither of its keys, whatever is revealed afterwards. That is forward secrecy.
- Agreement: its peer has a run with it, in the other role, in which messages, indices, cipher suite and keys are the same;
  and no other run agrees with that one. It holds also where the run's own key was revealed: nobody can be impersonated to a
  node by who has the node's key.
- Requests: who answers a request for a session has one that its peer made, perhaps a recorded one, unless its own key was
  revealed.
- Unknown key shares: two runs that share a key name each other.
- Identities: what the initiator seals of itself is read by the node it dials alone; to those without the key of a private
  network no end of a link tells who it is.
- Proofs: what a node signs with its ML-DSA key is the hash of a handshake, and its role in it. One other run at most has that
  hash, in the other role and with the same keys, which who computes every X25519 secret does not have.
- Quantum computers: who recorded everything, and later computes every X25519 secret, does not have the keys.
"""

from collections.abc import Iterator
from typing import Final

from mycelium.crypto.handshake import NO_PSK
from mycelium.crypto.primitives import EXCHANGE_BYTES
from tests.prove.attacker import MALLORY, Broken, DolevYao, WireState
from tests.prove.runs import MACS_BYTES, HandshakeRun, LinkInitiatorRun, LinkResponderRun, Party, SessionResponderRun
from tests.prove.symbols import Knowledge

LEMMAS: Final = ("secrecy", "agreement", "requests", "shares", "identities", "quantum", "proofs")
LINK_RUNS: Final = LinkInitiatorRun, LinkResponderRun


class Promises:
    """Checks lemmas about runs of some parties."""

    def __init__(self, parties: list[Party], lemmas: tuple[str, ...] = LEMMAS) -> None:
        self._by_key = {one.identity.exchange_public_key: one for one in [*parties, MALLORY]}
        self._lemmas = lemmas

    def __call__(self, attacker: DolevYao, wire: WireState) -> None:
        """Raises Broken."""
        known = attacker.knowledge(wire)
        for lemma in self._lemmas:
            for complaint in getattr(self, f"_{lemma}")(attacker, wire, known):
                raise Broken(f"{lemma}: {complaint}, after {', '.join(wire.trace)}")

    def peer(self, run: HandshakeRun) -> Party | None:
        """Returns whom a run has agreed keys with."""
        return None if run.keys is None else self._by_key.get(run.keys.peer_exchange_key)

    def sound(self, wire: WireState) -> Iterator[HandshakeRun]:
        """Yields the runs that promises are made of."""
        for run in wire.runs:
            if run.is_sure:
                before, peer = wire.revealed_before[run.name], self.peer(run)
                is_honest = peer not in (None, MALLORY) and peer.identity.exchange_secret not in before
                if is_honest or (run.owner.psk != NO_PSK and run.owner.psk not in before):
                    yield run

    def _secrecy(self, _: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        yield from (f"a key of {run.name} is known" for run in self.sound(wire) if _has_key(known, run))

    def _agreement(self, _: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        taken: dict[str, str] = {}
        for run in self.sound(wire):
            partner = next((other for other in wire.runs if self._agree(run, other)), None)
            if partner is None:
                yield f"nobody agrees with {run.name}"
            elif other := taken.get(partner.name):
                yield f"{run.name} and {other} agree with one run"
            else:
                taken[partner.name] = run.name

    def _agree(self, run: HandshakeRun, other: HandshakeRun) -> bool:
        if other.is_initiator is run.is_initiator or other.owner != self.peer(run):
            return False
        if other.keys is None:  # a responder between messages 2 and 3
            return other.log == (run.log[0][:-MACS_BYTES], run.log[1])
        assert run.keys is not None
        own, its = run.keys, other.keys
        return (
            (own.secrets.sealing, own.secrets.opening) == (its.secrets.opening, its.secrets.sealing)
            and (own.local_index, own.remote_index) == (its.remote_index, its.local_index)
            and own.secrets.suite == its.secrets.suite
            and self.peer(other) == run.owner
        )

    def _requests(self, _: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        for run in wire.runs:
            peer = self.peer(run)
            secrets = {run.owner.identity.exchange_secret} | ({peer.identity.exchange_secret} if peer else set())
            is_asked = isinstance(run, SessionResponderRun) and run.keys is not None
            is_made = any(other.owner == peer and run.log[0] in other.sent for other in wire.runs if run.log)
            if is_asked and not is_made and peer not in (None, MALLORY) and not secrets & wire.revealed:
                yield f"{run.name} answers what {peer.name} has not asked"

    def _shares(self, _: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        keyed = [run for run in wire.runs if run.keys is not None]
        for number, one in enumerate(keyed):
            for other in keyed[:number]:
                if _keys(one) & _keys(other) and (self.peer(one), self.peer(other)) != (other.owner, one.owner):
                    yield f"{one.name} and {other.name} share a key and do not name each other"

    def _identities(self, attacker: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        symbols = attacker.symbols
        for run in wire.runs:
            is_private = isinstance(run, LINK_RUNS) and run.owner.psk != NO_PSK and run.owner.psk not in wire.revealed
            dialled = self.peer(run) or getattr(run, "pin", None)
            is_told = dialled in (None, MALLORY) or dialled.identity.exchange_secret in wire.revealed
            if is_private or (run.is_initiator and not is_told):
                key = run.owner.identity.signing_public_key
                for message in run.sent:
                    sealed = [one for one, seal in symbols.seals.items() if seal.plain == key and one in message]
                    if any(known.has(symbols.seals[one].key) for one in sealed):
                        yield f"who runs {run.name} can be read"

    def _proofs(self, attacker: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        keyed = [run for run in wire.runs if run.keys is not None]
        for number, one in enumerate(keyed):
            for other in keyed[:number]:
                assert one.keys is not None
                assert other.keys is not None
                if one.keys.transcript != other.keys.transcript:
                    continue
                if _keys(one) != _keys(other) or one.is_initiator is other.is_initiator:
                    yield f"what {one.name} signs is taken for another handshake's by {other.name}"
                ephemerals = [run.primitives.entropy(EXCHANGE_BYTES) for run in wire.runs]
                if _has_key(attacker.knowledge(wire, *ephemerals, *attacker.exchange_secrets), one):
                    yield f"what {one.name} signs proves keys that can be computed"

    def _quantum(self, attacker: DolevYao, wire: WireState, known: Knowledge) -> Iterator[str]:
        sound = list(self.sound(wire))
        if sound:
            ephemerals = [run.primitives.entropy(EXCHANGE_BYTES) for run in wire.runs]
            later = attacker.knowledge(wire, *ephemerals, *attacker.exchange_secrets)
            yield from (f"a key of {run.name} can be computed" for run in sound if _has_key(later, run))


def _keys(run: HandshakeRun) -> set[bytes]:
    return set() if run.keys is None else {run.keys.secrets.sealing, run.keys.secrets.opening}


def _has_key(known: Knowledge, run: HandshakeRun) -> bool:
    return any(known.has(key) for key in _keys(run))
