"""Whom a node dials: the only place that starts link handshakes.

Sources (the peer list, known neighbours, discovery) hand in candidates and decide when to try one again. The dialler shares
one handshake between all candidates with the same endpoint and pin, and bounds the handshakes under way for each source.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final

from msgspec import Struct, structs

from mycelium.counters import counter
from mycelium.endpoint import Endpoint
from mycelium.limits import DIALS_PER_SOURCE, DIALS_WAITING_PER_SOURCE
from mycelium.link.handshakes import CALM, Completed, Handshakes, Pace
from mycelium.medium import medium_of

ANY_KEY: Final = None


class Source(IntEnum):
    """Who names candidates. Each source has a share of the handshakes of its own, so none can starve another."""

    PEER_LIST = 0
    NEIGHBOUR = 1  # its last address: for new keys, or since its link is down
    DISCOVERY = 2
    SHORTCUT = 3  # addresses that the far end of a session names
    EXCHANGE = 4  # what other nodes have told of
    LEASE = 5  # a relay's port, which both ends have asked for


# Both ends send at the same time, so that each opens its NAT for the other: a datagram that came too early is soon followed by
# another one, and what has not passed after some of them never will.
SHORTCUT_PACE: Final = Pace(first_s=0.05, factor=2.0, ceiling_s=0.8, patience_s=1.5)
SHORTCUT_DATAGRAMS: Final = 5  # datagrams that an attempt at a shortcut sends at SHORTCUT_PACE


class Candidate(Struct, frozen=True):
    """An endpoint at which a neighbour may answer.

    `pin` is the X25519 key that must answer; None accepts any. `url` names the entry of the peer list. Of the candidates of
    one source that wait, those with the lowest `priority` are dialled first, but none before `delay_s` have passed.
    """

    endpoint: Endpoint
    source: Source
    pin: bytes | None = ANY_KEY
    url: str | None = None
    priority: int = 0
    delay_s: float = 0.0


_Target = tuple[Endpoint, bytes | None]  # remote endpoint, pin


class _Attempt:
    """A handshake with one target, under way or waiting for its turn, and the candidates that share it."""

    __slots__ = ("candidates", "index", "source")

    def __init__(self) -> None:
        self.candidates: list[Candidate] = []
        self.index: int | None = None  # of the handshake; None while waiting
        self.source = Source.PEER_LIST  # whose share the handshake takes

    def is_for(self, candidate: Candidate) -> bool:
        """Tells whether the same source shares it already, for the same entry of the peer list."""
        return any((one.source, one.url) == (candidate.source, candidate.url) for one in self.candidates)


@dataclass(slots=True)
class DiallerCounters:
    """Totals since the node started."""

    dials_refused: int = counter("Candidates not dialled: too many of the same source are waiting.")


class Dialler:
    """The attempts to reach candidates. `failed`, with the cause of each, is drained by the owner."""

    def __init__(self, handshakes: Handshakes) -> None:
        self._handshakes = handshakes
        self._attempts: dict[_Target, _Attempt] = {}
        self._by_index: dict[int, _Target] = {}  # of those under way
        self._under_way: Counter[Source] = Counter()
        self._waiting: dict[Source, list[tuple[int, int, _Target]]] = {source: [] for source in Source}  # heaps
        self._delayed: dict[Candidate, float] = {}  # when each is to be dialled
        self._arrivals = count()  # first come, first served within a priority
        self.failed: list[tuple[Candidate, str]] = []
        self.counters = DiallerCounters()

    def dial(self, candidate: Candidate, *, now: float) -> bool:
        """Dials a candidate as soon as its delay and its source's share allow.

        Returns False if it is being dialled already, is to be dialled later, or is refused.
        """
        if self._handshakes.is_paused:
            return False
        if candidate.delay_s:
            self._delay(candidate, now=now)
            return False
        target = self._target_of(candidate)
        attempt = self._attempts.get(target) or _Attempt()
        if attempt.is_for(candidate):
            return False
        if attempt.index is not None:
            attempt.candidates.append(candidate)
            return False
        queue = self._waiting[candidate.source]
        if len(queue) >= DIALS_WAITING_PER_SOURCE:
            self.counters.dials_refused += 1
            return False
        self._attempts[target] = attempt
        attempt.candidates.append(candidate)
        heappush(queue, (candidate.priority, next(self._arrivals), target))
        self._start_waiting(now=now)
        return True

    def _delay(self, candidate: Candidate, *, now: float) -> None:
        if len(self._delayed) < DIALS_WAITING_PER_SOURCE:
            self._delayed.setdefault(candidate, now + candidate.delay_s)
        else:
            self.counters.dials_refused += 1

    def remotes(self) -> set[Endpoint]:
        """Returns the remote endpoints that are being dialled, or wait for their turn."""
        return {remote for remote, _ in self._attempts}.union(one.endpoint.remote for one in self._delayed)

    def completed(self, completed: Completed, *, now: float) -> list[Candidate]:
        """Ends the attempts that a completed handshake has made needless: those at its endpoint whose pin agrees.

        Returns their candidates.
        """
        if not completed.keys.is_initiator:
            return []
        remote = completed.endpoint.remote
        answered = [one for pin in (ANY_KEY, completed.keys.peer_exchange_key) for one in self._end((remote, pin))]
        self._start_waiting(now=now)
        return answered

    def pause(self) -> None:
        """Ends all attempts, and neither dials nor answers until `resume`."""
        self._delayed.clear()
        for target in list(self._attempts):
            self._end(target)
        self._handshakes.is_paused = True

    def resume(self) -> None:
        """Ends `pause`; whoever has candidates names them again."""
        self._handshakes.is_paused = False

    def forget_entry(self, url: str, *, now: float) -> None:
        """Stops dialling for an entry of the peer list that was removed."""
        self._withdraw(lambda candidate: candidate.url == url, now=now)

    def forget_worse(self, url: str, endpoint: Endpoint, *, now: float) -> None:
        """Stops dialling for an entry of the peer list over worse media than that of an endpoint which has answered."""
        answered = medium_of(endpoint.scheme).preference
        self._withdraw(
            lambda candidate: candidate.url == url and medium_of(candidate.endpoint.scheme).preference > answered,
            now=now,
        )

    def dials_for(self, source: Source) -> bool:
        """Tells whether a candidate of a source is being dialled, or waits for its turn."""
        return any(one.source is source for attempt in self._attempts.values() for one in attempt.candidates)

    def forget_source(self, source: Source, *, now: float) -> None:
        """Stops dialling all candidates of a source."""
        self._withdraw(lambda candidate: candidate.source is source, now=now)

    def forget_neighbour(self, remotes: Collection[Endpoint], *, now: float) -> None:
        """Stops dialling a neighbour at these remote endpoints, unless the peer list asks for it."""
        self._withdraw(
            lambda candidate: candidate.source is not Source.PEER_LIST and candidate.endpoint.remote in remotes, now=now
        )

    def forget_shortcut(self, pin: bytes, *, now: float) -> None:
        """Stops dialling for a shortcut to the holder of a key."""
        self._withdraw(lambda candidate: candidate.source is Source.SHORTCUT and candidate.pin == pin, now=now)

    def handle_timeout(self, *, now: float) -> None:
        """Ends the attempts whose handshakes have failed, and starts waiting ones in their place."""
        for index, cause in self._handshakes.take_failed():
            target = self._by_index.get(index)
            if target is not None:
                self.failed += [(candidate, cause) for candidate in self._end(target)]
        for candidate in [one for one, at in self._delayed.items() if now >= at]:
            del self._delayed[candidate]
            self.dial(structs.replace(candidate, delay_s=0.0), now=now)
        self._start_waiting(now=now)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted for a candidate with a delay; infinity for never."""
        return min(self._delayed.values(), default=inf)

    def _target_of(self, candidate: Candidate) -> _Target:
        remote = candidate.endpoint.remote
        # An unpinned handshake with its endpoint gives a known neighbour new keys as well as one of its own would.
        shares = candidate.source is Source.NEIGHBOUR and (remote, ANY_KEY) in self._attempts
        return remote, ANY_KEY if shares else candidate.pin

    def _start_waiting(self, *, now: float) -> None:
        for source, queue in self._waiting.items():
            while queue and self._under_way[source] < DIALS_PER_SOURCE:
                _, _, target = heappop(queue)
                attempt = self._attempts.get(target)
                if attempt is not None and attempt.index is None:  # not withdrawn meanwhile
                    self._start(target, attempt, source, now=now)

    def _start(self, target: _Target, attempt: _Attempt, source: Source, *, now: float) -> None:
        attempt.source = source
        pace = SHORTCUT_PACE if source is Source.SHORTCUT else CALM
        attempt.index = self._handshakes.begin(attempt.candidates[0].endpoint, pin=target[1], pace=pace, now=now)
        self._by_index[attempt.index] = target
        self._under_way[source] += 1

    def _end(self, target: _Target) -> list[Candidate]:
        attempt = self._attempts.pop(target, None)
        if attempt is None:
            return []
        if attempt.index is not None:
            self._handshakes.abandon(attempt.index)
            del self._by_index[attempt.index]
            self._under_way[attempt.source] -= 1
        return attempt.candidates

    def _withdraw(self, is_unwanted: Callable[[Candidate], bool], *, now: float) -> None:
        self._delayed = {candidate: at for candidate, at in self._delayed.items() if not is_unwanted(candidate)}
        for target, attempt in list(self._attempts.items()):
            attempt.candidates = [candidate for candidate in attempt.candidates if not is_unwanted(candidate)]
            if not attempt.candidates:
                self._end(target)
        self._start_waiting(now=now)
