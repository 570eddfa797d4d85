"""What is searched of handshakes: a few runs of honest nodes, what the attacker is given, and how far.

A variant is a handshake with something left out; a search must find what that was for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from mycelium.crypto.handshake import NO_PSK
from mycelium.crypto.noise import SymmetricState
from mycelium.identity import SEED_BYTES, Identity
from tests.prove.attacker import DolevYao, Searched, WireState, search
from tests.prove.promises import LEMMAS, Promises
from tests.prove.runs import (
    HandshakeRun,
    LinkInitiatorRun,
    LinkResponderRun,
    Party,
    SessionInitiatorRun,
    SessionResponderRun,
)
from tests.prove.symbols import SymbolicPrimitives, Symbols

PSK_NAME: Final = "network key"
ALICE: Final = Identity(b"a" * SEED_BYTES)
BOB: Final = Identity(b"b" * SEED_BYTES)


class HandshakeSearch(NamedTuple):
    """One search. Of `runs`, `link a>b` dials with a pin, `link a>` without, `link b` answers; `session` likewise.

    `early` is revealed before all starts, `late` at any moment: keys of a, b, and p, that of the network.
    """

    name: str
    runs: tuple[str, ...]
    is_private: bool = False
    early: str = ""
    late: str = ""
    lemmas: tuple[str, ...] = LEMMAS


class Variant(NamedTuple):
    """What is left out: the n-th exchange of X25519, the KEM, what seals bind, or the key of the network."""

    exchange: int | None = None
    has_kem: bool = True
    binds: bool = True
    has_psk: bool = True


WHOLE: Final = Variant()
QUICK: Final = (
    HandshakeSearch("link, both keys revealed late", ("link a>", "link b"), late="ab"),
    HandshakeSearch("link, the dialling node's key known", ("link a>b", "link b"), early="a"),
    HandshakeSearch("session, both keys revealed late", ("session a>b", "session b"), late="ab"),
)
DEEP: Final = (
    HandshakeSearch("link, pinned, both keys revealed late", ("link a>b", "link b"), late="ab"),
    HandshakeSearch("link, the answering node's key known", ("link a>b", "link b"), early="b"),
    HandshakeSearch("link, private", ("link a>", "link b"), is_private=True, late="ab"),
    HandshakeSearch("link, private, both keys known", ("link a>", "link b"), is_private=True, early="ab"),
    HandshakeSearch(
        "link, private, key of the network known", ("link a>", "link b"), is_private=True, early="p", late="ab"
    ),
    HandshakeSearch("link, a node that dials and answers", ("link a>", "link a", "link b")),
    HandshakeSearch("link, two answers", ("link a>b", "link b", "link b")),
    HandshakeSearch("link, two dials", ("link a>b", "link a>b", "link b"), late="ab"),
    HandshakeSearch("link, both dial", ("link a>b", "link b>a", "link b")),
    HandshakeSearch("session, the asking node's key known", ("session a>b", "session b"), early="a"),
    HandshakeSearch("session, the answering node's key known", ("session a>b", "session b"), early="b"),
    HandshakeSearch("session, private, both keys known", ("session a>b", "session b"), is_private=True, early="ab"),
    HandshakeSearch("session, private, both revealed late", ("session a>b", "session b"), is_private=True, late="ab"),
    HandshakeSearch("session, two answers", ("session a>b", "session b", "session b")),
    HandshakeSearch("session, two requests", ("session a>b", "session a>b", "session b")),
    HandshakeSearch("session, both ask", ("session a>b", "session b>a", "session b")),
    HandshakeSearch("session, a node that asks and answers", ("session a>b", "session a", "session b")),
)


def run_search(one: HandshakeSearch, variant: Variant = WHOLE, *, most: int) -> Searched:
    """Searches; raises Broken with what led to a promise that does not hold."""
    symbols = Symbols()
    psk = symbols.secret(PSK_NAME) if one.is_private else NO_PSK
    parties = {"a": Party("alice", ALICE, psk), "b": Party("bob", BOB, psk)}
    secrets = {"a": ALICE.exchange_secret, "b": BOB.exchange_secret, "p": psk}
    make = partial(SymbolicPrimitives, symbols, has_kem=variant.has_kem, binds=variant.binds)
    with symbols.in_place(), left_out(variant):
        symbols.introduce(ALICE)
        symbols.introduce(BOB)
        runs = tuple(_run(text, number, parties, make) for number, text in enumerate(one.runs, 1))
        attacker = DolevYao(symbols, [*parties.values()], frozenset(secrets[name] for name in one.late))
        first = WireState(runs, frozenset(secrets[name] for name in one.early), {})
        return search(attacker, first, Promises([*parties.values()], one.lemmas), most=most)


def _run(text: str, number: int, parties: dict[str, Party], make: Callable[[str], SymbolicPrimitives]) -> HandshakeRun:
    kind, ends = text.split()
    owner, dials, peer = ends.partition(">")
    about = f"{kind} {number} of {parties[owner].name}", number, parties[owner], make
    if kind == "link":
        return LinkInitiatorRun(*about, pin=parties.get(peer)) if dials else LinkResponderRun(*about)
    return SessionInitiatorRun(*about, peer=parties[peer]) if dials else SessionResponderRun(*about)


@contextmanager
def left_out(variant: Variant) -> Iterator[None]:
    """Leaves an exchange or the network's key out of all handshakes."""
    mixed: dict[bytes, int] = {}  # how many exchanges are in a chaining key
    mix_exchange, mix_key, mix_key_and_hash = (
        SymmetricState.mix_exchange,
        SymmetricState.mix_key,
        SymmetricState.mix_key_and_hash,
    )

    def exchange(state: SymmetricState, secret: bytes, public: bytes) -> None:
        number = mixed.get(state._chaining_key, 0)
        if number == variant.exchange:
            state.mix_key(bytes(len(public)))
        else:
            mix_exchange(state, secret, public)
        mixed[state._chaining_key] = number + 1

    def key(state: SymmetricState, input_key: bytes) -> None:
        number = mixed.get(state._chaining_key, 0)
        mix_key(state, input_key)
        mixed[state._chaining_key] = number

    def key_and_hash(state: SymmetricState, input_key: bytes) -> None:
        number = mixed.get(state._chaining_key, 0)
        mix_key_and_hash(state, input_key if variant.has_psk else NO_PSK)
        mixed[state._chaining_key] = number

    changed: dict[str, Any] = {"mix_exchange": exchange, "mix_key": key, "mix_key_and_hash": key_and_hash}
    with patch.multiple(SymmetricState, **changed):
        yield
