"""Shortcuts: direct links between two nodes whose packets would otherwise pass relays.

A session that carries traffic over a relay starts an attempt (`attempt.py`): both ends tell each other, through the mesh and
sealed end to end, where they may be reached, and dial there at the same time. The relay stays in use until routing finds the
new link better. A shortcut is closed once nothing needs it.

An address that a peer names may be anybody's, so what one end can make the other send there is bounded: few datagrams, to few
addresses, a few times, and never to addresses that no peer can have.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

from msgspec import Struct

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import (
    CALLS_AT_ONCE,
    CALLS_PER_SECOND,
    SHORTCUT_ATTEMPTS,
    SHORTCUT_DATAGRAMS_PER_SECOND,
    SHORTCUT_PEERS,
    SHORTCUTS,
    SIGNAL_NEIGHBOURS,
)
from mycelium.link.link import Link, LinkState
from mycelium.peer_address import is_of_another_host
from mycelium.peering.attempt import Attempt, Phase
from mycelium.peering.dialler import SHORTCUT_DATAGRAMS, Candidate, Dialler, Source
from mycelium.peering.outside import Mapping, Outside
from mycelium.peering.shortcut_use import UNUSED, ShortcutUse
from mycelium.peering.traffic import Traffic
from mycelium.policy.base import Policy
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import Backoff, TokenBucket, TokenBuckets
from mycelium.wire.signal import TOKEN_BYTES, Signal, SignalKind, decode_signal, encode_signal

LOOK_S: Final = 0.5
LATE_S: Final = 0.02  # how much later than the measured round trip packets over relays may come
FIRST_WAIT_S: Final = 5.0  # after the first attempt that failed; doubles
WAIT_CEILING_S: Final = 600.0

NO_ANSWER: Final = "it did not answer the calls, which went through the mesh"
NO_CALL: Final = "its calls ended"


class ShortcutOpened(Struct, frozen=True):
    """There is a direct link with a peer now."""

    peer: bytes


class ShortcutFailed(Struct, frozen=True):
    """An attempt failed; traffic with the peer goes on over relays. `common` are neighbours of both ends."""

    peer: bytes
    cause: str  # for people
    common: tuple[bytes, ...]


class ShortcutClosed(Struct, frozen=True):
    """A shortcut is closed, since nothing needs it."""

    peer: bytes
    cause: str  # for people


News = ShortcutOpened | ShortcutFailed | ShortcutClosed


class ShortcutMesh(Protocol):
    """What shortcuts need of the rest of the node."""

    def key_of(self, peer: bytes) -> bytes | None:
        """Returns the X25519 key of a node; None for an unknown one."""

    def next_hop(self, peer: bytes) -> bytes | None:
        """Returns the neighbour that packets for a node go to; None without a route."""

    def is_kept(self, peer: bytes) -> bool:
        """Tells whether the link with a neighbour is there for another reason too, such as the peer list."""

    def send_signal(self, session: Session, content: bytes, *, now: float) -> None:
        """Sends the content of a signal to the peer of a session."""

    def expect_directly(self, peer: bytes, *, wait_s: float, now: float) -> None:
        """Keeps in order what a peer sends while it changes to a direct link: relays take `wait_s` longer at most."""

    def close(self, peer: bytes, cause: str, *, now: float) -> None:
        """Closes the link with a neighbour."""


@dataclass(slots=True)
class ShortcutCounters:
    """Totals since the node started."""

    shortcuts_tried: int = counter("Attempts at a direct link, called for by this node.")
    shortcuts_answered: int = counter("Attempts at a direct link, called for by other nodes.")
    shortcuts_opened: int = counter("Direct links that came of attempts.")
    shortcuts_failed: int = counter("Attempts at a direct link that failed; packets still go over relays.")
    shortcuts_closed: int = counter("Direct links that this node has closed because nothing needed them.")
    signals_refused: int = drops("Signals about shortcuts dropped: malformed, or of a node that may be no neighbour.")
    calls_refused: int = counter("Calls for a shortcut not answered: too many.")
    shortcut_addresses_refused: int = counter("Addresses named by callers not dialled: no peer can have them.")
    shortcut_dials_refused: int = counter(
        "Addresses named by callers not dialled: too many datagrams were sent lately."
    )


class _Rest:
    """When a peer may be called again."""

    __slots__ = ("backoff", "until")

    def __init__(self) -> None:
        self.backoff = Backoff(FIRST_WAIT_S, factor=2.0, ceiling=WAIT_CEILING_S)
        self.until = -inf


class Shortcuts:
    """All attempts and shortcuts of a node. `news` is drained by the owner."""

    def __init__(
        self,
        own_address: bytes,
        mesh: ShortcutMesh,
        *,
        outside: Outside,
        dialler: Dialler,
        links: dict[bytes, Link],
        sessions: Sessions,
        policy: Policy,
        entropy: Callable[[int], bytes],
        now: float,
    ) -> None:
        self._own_address = own_address
        self._mesh = mesh
        self._outside = outside
        self._dialler = dialler
        self._links = links
        self._sessions = sessions
        self._policy = policy
        self._entropy = entropy
        self._traffic = Traffic(sessions)
        self._attempts: dict[bytes, Attempt] = {}  # by peer
        self._open: dict[bytes, ShortcutUse] = {}  # by peer
        self._rests: dict[bytes, _Rest] = {}  # by peer, oldest failure first
        self._calls = TokenBuckets[bytes](CALLS_PER_SECOND, burst=CALLS_AT_ONCE, keys=SHORTCUT_PEERS)
        self._datagrams = TokenBucket(SHORTCUT_DATAGRAMS_PER_SECOND, now=now)
        self._look_at = inf
        self.news: list[News] = []
        self.counters = ShortcutCounters()

    @property
    def peers(self) -> Iterable[bytes]:
        """The neighbours that are linked by a shortcut."""
        return self._open.keys()

    def network_changed(self) -> None:
        """Forgets past failures: this host's addresses have changed."""
        self._rests.clear()

    def start(self, *, now: float) -> None:
        """Begins to look at traffic."""
        self._look_at = now

    # -- time ----------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next; a node without sessions need not wake up."""
        look_at = self._look_at if self._sessions.by_peer else inf
        return min(look_at, min((attempt.due_at for attempt in self._attempts.values()), default=inf))

    def handle_timeout(self, *, now: float) -> None:
        """Goes on with attempts, and looks at traffic."""
        for attempt in list(self._attempts.values()):
            if self._is_up(attempt.peer):
                self._opened(attempt, now=now)
            elif now >= attempt.due_at:
                self._go_on(attempt, now=now)
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look(now=now)

    def _look(self, *, now: float) -> None:
        """Calls for shortcuts where traffic takes relays, and closes those that nothing needs."""
        busy = self._traffic.look(now=now)
        for peer in sorted(busy):
            if self._wants(peer, now=now):
                self.counters.shortcuts_tried += 1
                self._call(self._begin(peer, self._entropy(TOKEN_BYTES), is_caller=True, now=now), now=now)
        for peer, use in list(self._open.items()):
            link = self._links.get(peer)
            if link is None:
                del self._open[peer]
            elif self._is_up(peer):
                is_used = self._mesh.next_hop(peer) == peer
                cause = use.judge(link, has_traffic=peer in busy, is_used=is_used, now=now)
                if cause is not None and not self._mesh.is_kept(peer):
                    self._close(peer, cause, now=now)

    def _wants(self, peer: bytes, *, now: float) -> bool:
        """Tells whether to call a peer with which there is traffic."""
        rest = self._rests.get(peer)
        return (
            self._mesh.next_hop(peer) not in (None, peer)
            and not self._is_linked(peer)
            and peer not in self._attempts
            and (rest is None or now >= rest.until)
            and self._has_room(peer)
            and self._policy.allows_neighbour(peer)
        )

    def _has_room(self, peer: bytes) -> bool:
        has_attempt = peer in self._attempts or len(self._attempts) < SHORTCUT_ATTEMPTS
        return has_attempt and (peer in self._open or len(self._open) < SHORTCUTS)

    def _is_linked(self, peer: bytes) -> bool:
        link = self._links.get(peer)
        return link is not None and link.state is not LinkState.DOWN

    def _is_up(self, peer: bytes) -> bool:
        link = self._links.get(peer)
        return link is not None and link.state is LinkState.UP

    # -- attempts ------------------------------------------------------------------------------------------------------

    def _begin(self, peer: bytes, token: bytes, *, is_caller: bool, now: float) -> Attempt:
        attempt = self._attempts[peer] = Attempt(peer, token, is_caller=is_caller, now=now)
        return attempt

    def _go_on(self, attempt: Attempt, *, now: float) -> None:
        """Does what is due of an attempt."""
        match attempt.phase:
            case Phase.STARTING:
                self._dial(attempt, now=now)
            case Phase.CALLING:
                self._call(attempt, now=now)
            case Phase.WAITING:
                self._failed(attempt, NO_CALL, now=now)
            case Phase.DIALLING if now < attempt.dialled_until:
                attempt.look_for_link(now=now)
            case Phase.DIALLING if attempt.is_caller:
                self._call(attempt, now=now)
            case Phase.DIALLING:
                if not attempt.waits(now=now):
                    self._failed(attempt, self._nothing_passed(attempt), now=now)

    def _call(self, attempt: Attempt, *, now: float) -> None:
        if not attempt.may_call():
            cause = self._nothing_passed(attempt) if attempt.rounds_dialled else NO_ANSWER
            self._failed(attempt, cause, now=now)
            return
        attempt.called(now=now)
        self._signal(SignalKind.CALL, attempt, now=now)

    def _dial(self, attempt: Attempt, *, now: float) -> None:
        """Dials all addresses of the far end side by side."""
        key = self._mesh.key_of(attempt.peer)
        attempt.dialled(self._outside.view.mapping, now=now)
        self._mesh.expect_directly(attempt.peer, wait_s=attempt.relayed_s + LATE_S, now=now)
        for endpoint in dict.fromkeys(attempt.candidates):
            if not _is_possible(endpoint):
                self.counters.shortcut_addresses_refused += 1
            elif key is None or not all(self._datagrams.take(now=now) for _ in range(SHORTCUT_DATAGRAMS)):
                self.counters.shortcut_dials_refused += 1
            else:
                self._dialler.dial(Candidate(endpoint, Source.SHORTCUT, key), now=now)

    def _nothing_passed(self, attempt: Attempt) -> str:
        if not any(map(_is_possible, attempt.candidates)):
            return "it knows of no address at which it could be reached"
        ours, its = self._outside.view.mapping.value, attempt.mapping.value
        return f"no datagram got through directly (NAT mapping here: {ours}, there: {its})"

    def _opened(self, attempt: Attempt, *, now: float) -> None:
        self._end(attempt, now=now)
        self._rests.pop(attempt.peer, None)
        if attempt.rounds_dialled:  # otherwise it is a link that had nothing to do with the attempt
            self._open[attempt.peer] = ShortcutUse(now=now)
            self.counters.shortcuts_opened += 1
            self.news.append(ShortcutOpened(attempt.peer))

    def _failed(self, attempt: Attempt, cause: str, *, now: float) -> None:
        self._end(attempt, now=now)
        self._rest(attempt.peer, now=now)
        self.counters.shortcuts_failed += 1
        ours = set(self._linked())
        common = tuple(neighbour for neighbour in attempt.neighbours if neighbour in ours)
        self.news.append(ShortcutFailed(attempt.peer, cause, common))

    def adopt(self, peer: bytes, *, now: float) -> None:
        """Takes a link that came up in place of a shortcut: it is closed once nothing needs it, too."""
        if len(self._open) < SHORTCUTS:
            self._open.setdefault(peer, ShortcutUse(now=now))

    def _end(self, attempt: Attempt, *, now: float) -> None:
        del self._attempts[attempt.peer]
        key = self._mesh.key_of(attempt.peer)
        if key is not None:
            self._dialler.forget_shortcut(key, now=now)

    def _rest(self, peer: bytes, *, now: float) -> _Rest:
        """Lets a peer rest before the next call."""
        rest = self._rests.pop(peer, None) or _Rest()
        if len(self._rests) >= SHORTCUT_PEERS:
            del self._rests[next(iter(self._rests))]
        self._rests[peer] = rest
        rest.until = now + rest.backoff.next()
        return rest

    def _close(self, peer: bytes, cause: str, *, now: float) -> None:
        del self._open[peer]
        if cause is UNUSED:  # it would be opened again at once
            self._rest(peer, now=now).until = now + WAIT_CEILING_S
        self.counters.shortcuts_closed += 1
        self.news.append(ShortcutClosed(peer, cause))
        self._mesh.close(peer, cause, now=now)

    # -- signals -------------------------------------------------------------------------------------------------------

    def receive(self, session: Session, body: memoryview, *, now: float) -> None:
        """Takes a signal of the peer of a session."""
        session.without_packets += 1
        try:
            signal = decode_signal(bytes(body))
        except DecodeError:
            signal = None
        if signal is None or not self._policy.allows_neighbour(session.peer):
            self.counters.signals_refused += 1
        elif signal.kind is SignalKind.CALL:
            self._take_call(session.peer, signal, now=now)
        else:
            attempt = self._attempts.get(session.peer)
            if attempt is not None and attempt.token == signal.token:
                self._take_reply(attempt, signal, now=now)

    def _take_call(self, peer: bytes, signal: Signal, *, now: float) -> None:
        attempt = self._attempts.get(peer)
        if attempt is not None and attempt.is_caller and self._own_address < peer:
            return  # both have called: that of the lower address counts
        if self._is_linked(peer) or not self._has_room(peer) or not self._calls.take(peer, now=now):
            self.counters.calls_refused += 1
            return
        if attempt is None or attempt.token != signal.token:
            self.counters.shortcuts_answered += 1
            attempt = self._begin(peer, signal.token, is_caller=False, now=now)
        attempt.heard(signal.candidates, Mapping.of_code(signal.mapping), signal.neighbours)
        attempt.was_called(signal.round, now=now)
        self._signal(SignalKind.ANSWER, attempt, now=now)

    def _take_reply(self, attempt: Attempt, signal: Signal, *, now: float) -> None:
        if signal.kind is SignalKind.ANSWER and attempt.is_caller:
            if attempt.answered(signal.round, now=now):
                attempt.heard(signal.candidates, Mapping.of_code(signal.mapping), signal.neighbours)
                self._signal(SignalKind.START, attempt, now=now)
        elif signal.kind is SignalKind.START and not attempt.is_caller and attempt.started(signal.round, now=now):
            self._dial(attempt, now=now)

    def _signal(self, kind: SignalKind, attempt: Attempt, *, now: float) -> None:
        """Sends a signal; a call and an answer say where this node is, a start says nothing more."""
        session = self._sessions.by_peer.get(attempt.peer)
        if session is None:
            return
        signal = Signal(kind=kind, round=attempt.round, token=attempt.token)
        if kind is not SignalKind.START:
            signal = Signal(
                kind=kind,
                round=attempt.round,
                token=attempt.token,
                mapping=self._outside.view.mapping.code,
                candidates=self._outside.candidates(),
                neighbours=tuple(self._linked()[:SIGNAL_NEIGHBOURS]),
            )
        session.without_packets += 1
        self._mesh.send_signal(session, encode_signal(signal), now=now)

    def _linked(self) -> Sequence[bytes]:
        """Returns the neighbours whose links are up, the nearest first."""
        up = [link for link in self._links.values() if link.state is LinkState.UP and link.cost is not None]
        return [link.address for link in sorted(up, key=lambda link: link.cost or 0)]


def _is_possible(endpoint: Endpoint) -> bool:
    """Tells whether a peer can have an address, so that a datagram may be sent there for it."""
    return bool(endpoint.port) and is_of_another_host(endpoint.host)
