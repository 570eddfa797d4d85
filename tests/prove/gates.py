"""The search of all that a stranger can do with first messages, cookies and time at the gates of a private network.

Two members have a gate each, and a third dials one of them by its key. The stranger has no key of the network: he sees all, and
may hand what he has seen, in any combination of body and macs, to either gate, from the dialling node's address or his
own, at any time. A gate may be under load. The gates are our own, and so are their hashes: a mac is 4 bytes, and no combination
of seen ones is right by chance.

Promised is that a gate answers no message that the dialling node has not made; each once, but for a cookie once an address;
without a cookie for some minutes only, and at no other node than the one that was dialled; by a cookie only from an address to
which it has sent one lately. All else gets no byte, but that what asks for a cookie gets one.
"""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from hashlib import shake_128
from typing import Any, Final, NamedTuple

from mycelium.crypto.cookies import MAC_BYTES, PERIOD_S, HandshakeGate, digest_of
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.link_handshake import LinkInitiator
from mycelium.crypto.primitives import RealPrimitives
from mycelium.errors import HandshakeError
from mycelium.identity import SEED_BYTES, Identity
from tests.prove.attacker import Broken, Searched

PSK: Final = b"p" * 32
MEMBERS: Final = {"b": Identity(b"b" * SEED_BYTES), "c": Identity(b"c" * SEED_BYTES)}
ALICE_AT: Final = bytes((192, 0, 2, 1))
STRANGER_AT: Final = bytes((203, 0, 113, 9))
BEGIN_S: Final = 10 * PERIOD_S
LATER_S: Final = (PERIOD_S, 1.75 * PERIOD_S, 3 * PERIOD_S)  # steps of time
FRESH_S: Final = 2 * PERIOD_S  # for which a mac 1, or a cookie, is good at most


class Gates(NamedTuple):
    """A state: the gates, what was seen, what each gate has answered and when it has sent cookies."""

    now: float
    gates: dict[str, HandshakeGate]
    loaded: frozenset[str]
    messages: frozenset[bytes]  # first messages of the node that dials
    cookies: frozenset[bytes] = frozenset()
    accepted: frozenset[tuple[str, bytes]] = frozenset()
    issued: frozenset[tuple[str, bytes, float]] = frozenset()  # by whom, to which address, when
    trace: tuple[str, ...] = ()

    def mark(self) -> object:
        """Returns what equal states share."""
        return self[0], *self[2:-1]

    def event(self, what: str, **changed: Any) -> "Gates":
        """Returns the state after something."""
        return self._replace(trace=(*self.trace, what), **changed)


class NoBudget:
    """In place of the budget of a gate under load."""

    def take(self, *, now: float) -> bool:
        return False


class Dice:
    """Dice of a name; copies go on alike."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rolled = 0

    def __call__(self, size: int) -> bytes:
        self._rolled += 1
        return shake_128(f"{self._name}/{self._rolled}".encode()).digest(size)


class Stranger:
    """Does what a stranger can, and checks what it draws."""

    def __init__(self) -> None:
        config = HandshakeConfig(
            identity=Identity(b"a" * SEED_BYTES), psk=PSK, suites=3, entropy=Dice("alice"), primitives=RealPrimitives()
        )
        pin = MEMBERS["b"].exchange_public_key
        self._initiator = LinkInitiator(config, local_index=7, pin=pin, period=int(BEGIN_S // PERIOD_S))
        own = bytearray(self._initiator.message_1)
        own[20:52] = b"m" * 32
        self._own_body = bytes(own[: -2 * MAC_BYTES])

    def begin(self) -> Gates:
        gates = {
            name: HandshakeGate(psk=PSK, own_key=one.exchange_public_key, entropy=Dice(name))
            for name, one in MEMBERS.items()
        }
        seen = frozenset((self._initiator.message_1, self._initiator.asking_message_1))
        return Gates(BEGIN_S, gates, frozenset(), seen)

    def after(self, state: Gates) -> Iterator[Gates]:
        """Yields what can come of a state; raises Broken."""
        for seconds in LATER_S:
            yield state.event(f"{seconds:g} s pass", now=state.now + seconds)
        for name in state.gates:
            yield state.event(f"load at {name}", loaded=state.loaded | {name})
            for message in self._messages(state):
                for source in (ALICE_AT, STRANGER_AT):
                    yield self._handed(state, name, message, source)
        for cookie in state.cookies:
            with suppress(HandshakeError):
                made = self._initiator.answer_cookie(cookie)
                yield state.event("the dialling node takes a cookie", messages=state.messages | {made})

    def _messages(self, state: Gates) -> Iterator[bytes]:
        bodies = [*sorted({one[: -2 * MAC_BYTES] for one in state.messages}), self._own_body]
        first = sorted({one[-2 * MAC_BYTES : -MAC_BYTES] for one in state.messages})
        second = sorted({one[-MAC_BYTES:] for one in state.messages} | {bytes(MAC_BYTES)})
        return (body + mac_1 + mac_2 for body in bodies for mac_1 in first for mac_2 in second)

    def _handed(self, state: Gates, name: str, message: bytes, source: bytes) -> Gates:
        gate = deepcopy(state.gates[name])
        if name in state.loaded:
            gate._unproven = NoBudget()  # type: ignore[assignment]
        has_cookie = gate._carries_cookie(digest_of(message), message[-MAC_BYTES:], source, now=state.now)
        admission = gate.admit(message, source=source, now=state.now)
        what = f"{name} is handed {message[-8:].hex()} from {source[0]}"
        after = state.event(what, gates={**state.gates, name: gate})
        if admission.accepted:
            key = name, digest_of(message) + source * has_cookie
            self._check_accepted(state, name, message, source, key, has_cookie=has_cookie)
            after = after._replace(accepted=state.accepted | {key})
        if admission.cookie is not None:
            self._check_cookie(state, name, message, admission.cookie)
            issued = state.issued | {(name, source, state.now)}
            after = after._replace(cookies=state.cookies | {admission.cookie}, issued=issued)
        return after

    def _check_accepted(
        self, state: Gates, name: str, message: bytes, source: bytes, key: tuple[str, bytes], *, has_cookie: bool
    ) -> None:
        told = f"by {name}, after {', '.join(state.trace)}"
        if message[:-MAC_BYTES] not in {one[:-MAC_BYTES] for one in state.messages}:
            raise Broken(f"a message that nobody has made is answered {told}")
        if key in state.accepted:
            raise Broken(f"a message is answered twice {told}")
        if not has_cookie and (name != "b" or state.now - BEGIN_S > FRESH_S):
            raise Broken(f"a recording is answered {told}")
        if has_cookie and not any(
            (by, to) == (name, source) and state.now - when <= FRESH_S for by, to, when in state.issued
        ):
            raise Broken(f"a cookie that {source[0]} was not sent is taken {told}")

    def _check_cookie(self, state: Gates, name: str, message: bytes, cookie: bytes) -> None:
        told = f"{name}, after {', '.join(state.trace)}"
        asks = message[:-MAC_BYTES] == self._initiator.asking_message_1[:-MAC_BYTES]
        is_timely = message[:-MAC_BYTES] == self._initiator.message_1[:-MAC_BYTES]
        if not asks and not (is_timely and name == "b" and state.now - BEGIN_S <= FRESH_S):
            raise Broken(f"a stranger draws a cookie of {told}")
        if len(cookie) > len(message):
            raise Broken(f"a cookie is longer than what drew it, of {told}")


def search_gates(*, depth: int) -> Searched:
    """Looks at all that comes of so many steps; raises Broken."""
    stranger = Stranger()
    waiting = [stranger.begin()]
    seen = {waiting[0].mark()}
    answered = 0
    for _ in range(depth):
        found = []
        for state in waiting:
            for following in stranger.after(state):
                if (mark := following.mark()) not in seen:
                    seen.add(mark)
                    found.append(following)
                    answered += len(following.accepted) > len(state.accepted)
        waiting = found
    return Searched(len(seen), answered, is_complete=True)
