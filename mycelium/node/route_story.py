"""The changes of next hops that are worth an entry in the journal: a mesh can cause them by the thousand.

A route that is lost and back within PATIENCE_S is one event, which says for how long it was gone; one that stays away is told
as lost, and again when it is back. The rate of events is bounded, apart for destinations with traffic; the rest is counted.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from mycelium.limits import JOURNAL_LOST_ROUTES, JOURNAL_ROUTES_PER_SECOND
from mycelium.node.tally import PUSHED_OUT, Tally
from mycelium.routing.selection import RouteChange
from mycelium.timing import TokenBucket

PATIENCE_S: Final = 1.0  # a route that is back by then counts as changed, not as lost


class RouteTeller(Protocol):
    """Takes one event: when, the destination, its next hop before and after, the cause, and the seconds without a route so far.

    None stands for no next hop, and for a time that is not known.
    """

    def __call__(
        self, at: float, node: bytes, before: bytes | None, after: bytes | None, cause: str, without_s: float | None
    ) -> None: ...


class _Loss(NamedTuple):
    at: float
    silent_since: float  # of the lost next hop; infinity if it did answer
    before: bytes
    cause: str
    is_used: bool


class RouteStory:
    """The lost routes of one node, and the events told of them. `tell_of_more` takes the time and how many were left out.

    All changes and outages are counted in `tally`.
    """

    __slots__ = ("_gone", "_held_back", "_lost", "_others", "_tally", "_tell", "_tell_of_more", "_used", "_version")

    def __init__(
        self, *, tell: RouteTeller, tell_of_more: Callable[[float, int], None], tally: Tally, now: float
    ) -> None:
        self._tally = tally
        self._tell = tell
        self._tell_of_more = tell_of_more
        self._lost: dict[bytes, _Loss] = {}  # routes lost for less than PATIENCE_S, oldest first
        self._gone: dict[bytes, _Loss] = {}  # routes lost for longer
        self._used = TokenBucket(JOURNAL_ROUTES_PER_SECOND, now=now)  # events of destinations with traffic
        self._others = TokenBucket(JOURNAL_ROUTES_PER_SECOND, now=now)
        self._held_back = 0  # events left out since the last sweep
        self._version = 0  # number of changes at the last call

    def take(
        self,
        changes: Iterable[RouteChange],
        version: int,
        *,
        is_in_use: Callable[[bytes], bool],
        silent_since: Callable[[bytes], float],
        now: float,
    ) -> None:
        """Takes the newest changes, oldest first; `version` is the number of all changes so far."""
        taken = 0
        for at, node, before, after, cause in changes:
            taken += 1
            self._tally.routes[cause] += 1
            is_used = is_in_use(node)
            loss = self._lost.pop(node, None) or self._gone.pop(node, None)
            if after is None:
                assert before is not None
                _keep(self._lost, node, _Loss(at, silent_since(before), before, cause, is_used))
            elif before is not None:
                self._tell_one(is_used, at, node, before, after, cause, self._outage(silent_since(before), at), now=now)
            elif loss is not None:
                without_s = self._outage(min(loss.at, loss.silent_since), at)
                self._tell_one(is_used, at, node, loss.before, after, loss.cause, without_s, now=now)
            else:
                self._tell_one(is_used, at, node, None, after, cause, None, now=now)
        pushed_out = max(version - self._version - taken, 0)
        self._held_back += pushed_out
        self._tally.routes[PUSHED_OUT] += pushed_out
        self._version = version

    def sweep(self, *, now: float) -> None:
        """Tells which routes are gone for PATIENCE_S, and how many events were left out; to be called every second."""
        for node, loss in list(self._lost.items()):
            if loss.at + PATIENCE_S > now:
                break
            del self._lost[node]
            _keep(self._gone, node, loss)
            without_s = now - min(loss.at, loss.silent_since)
            self._tell_one(loss.is_used, now, node, loss.before, None, loss.cause, without_s, now=now)
        if self._held_back:
            self._tell_of_more(now, self._held_back)
            self._held_back = 0

    def _outage(self, since: float, until: float) -> float | None:
        """Counts a time without a working route, and returns its seconds; None where there was none."""
        if since >= until:
            return None
        self._tally.outages.observe(until - since)
        return until - since

    def _tell_one(
        self,
        is_used: bool,
        at: float,
        node: bytes,
        before: bytes | None,
        after: bytes | None,
        cause: str,
        without_s: float | None,
        *,
        now: float,
    ) -> None:
        bucket = self._used if is_used else self._others
        if bucket.take(now=now):
            self._tell(at, node, before, after, cause, without_s)
        else:
            self._held_back += 1


def _keep(losses: dict[bytes, _Loss], node: bytes, loss: _Loss) -> None:
    losses[node] = loss
    if len(losses) > JOURNAL_LOST_ROUTES:
        del losses[next(iter(losses))]
