"""Keeps the packets of a session in order when it changes from relays to a direct link, which is quicker.

What is sent directly overtakes what is still under way over the relays. For as long as that may take, trains that arrive
directly wait until all earlier ones have arrived.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Final, Protocol

from mycelium.limits import OVERTAKING_BYTES
from mycelium.session.table import Sessions

WATCH_S: Final = 5.0  # in which a peer begins to send directly


class TrainOpener(Protocol):
    """Opens a train and delivers its packets."""

    def __call__(
        self, hop_limit: int, index: int, counter: int, source: bytes, train: memoryview, *, now: float
    ) -> None: ...


class _Watch:
    """The trains of one peer that wait, as a heap by counter."""

    __slots__ = ("held", "until", "wait_s")

    def __init__(self, wait_s: float, *, now: float) -> None:
        self.wait_s = wait_s
        self.until = now + WATCH_S
        self.held: list[tuple[int, int, int, bytearray]] = []  # counter, index, hop limit, train


class TrainOrder:
    """The peers that are about to change to a direct link. `arm` is called when there is an earlier deadline."""

    __slots__ = ("_held_bytes", "_open", "_sessions", "arm", "by_peer")

    def __init__(self, sessions: Sessions, open_train: TrainOpener) -> None:
        self._sessions = sessions
        self._open = open_train
        self._held_bytes = 0
        self.arm: Callable[[], None] = _never
        self.by_peer: dict[bytes, _Watch] = {}

    def watch(self, peer: bytes, *, wait_s: float, now: float) -> None:
        """Watches a peer; what it sent over relays arrives at most `wait_s` seconds later than what it sends directly."""
        if peer not in self.by_peer:
            self.by_peer[peer] = _Watch(wait_s, now=now)

    def take(
        self,
        hop_limit: int,
        index: int,
        counter: int,
        source: bytes,
        train: memoryview,
        neighbour: bytes,
        *,
        now: float,
    ) -> None:
        """Takes a train of a watched peer that came from a neighbour."""
        watch = self.by_peer[source]
        is_direct = neighbour == source
        if is_direct and watch.until > now + watch.wait_s:
            watch.until = now + watch.wait_s  # nothing that was sent over relays is under way any more by then
            self.arm()
        if is_direct and counter > self._expected(index) and now < watch.until:
            heappush(watch.held, (counter, index, hop_limit, bytearray(train)))
            self._held_bytes += len(train)
            if self._held_bytes > OVERTAKING_BYTES:
                self._release(source, watch, now=now)
            return
        self._open(hop_limit, index, counter, source, train, now=now)
        while watch.held and watch.held[0][0] <= self._expected(watch.held[0][1]):
            self._open_next(source, watch, now=now)

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted; infinity for never."""
        return min((watch.until for watch in self.by_peer.values()), default=inf)

    def handle_timeout(self, *, now: float) -> None:
        """Lets go of what has waited long enough, and of peers that have changed to their link, or not."""
        for peer, watch in list(self.by_peer.items()):
            if now >= watch.until:
                self._release(peer, watch, now=now)
                del self.by_peer[peer]

    def _expected(self, index: int) -> int:
        """Returns the counter of the next train under a keypair, infinite for an unknown one, whose trains need not wait."""
        entry = self._sessions.by_index.get(index)
        return 1 << 64 if entry is None else entry[1].opening.newest + 1

    def _release(self, peer: bytes, watch: _Watch, *, now: float) -> None:
        while watch.held:
            self._open_next(peer, watch, now=now)

    def _open_next(self, peer: bytes, watch: _Watch, *, now: float) -> None:
        counter, index, hop_limit, train = heappop(watch.held)
        self._held_bytes -= len(train)
        self._open(hop_limit, index, counter, peer, memoryview(train), now=now)


def _never() -> None:
    """Stands for the owner while nothing is watched."""
