"""Neighbours over which a partner does not answer: they are asked to look for themselves, and tried as a whole.

Some nodes beyond such a neighbour are probed over it. The nearest, since a neighbour that is deceived by a liar further on
still reaches those; and some that this node chooses at random, so that nobody brings a neighbour into disrepute by falling
silent near it. If none of them answers, the neighbour is distrusted.
"""

from collections.abc import Callable
from heapq import nsmallest
from typing import Any, Final, NamedTuple, Protocol

from mycelium.dataplane.sending import Sending
from mycelium.dataplane.trial import NeighbourTrial
from mycelium.limits import NEIGHBOURS
from mycelium.routing.forwarding import ForwardingTable
from mycelium.session.table import Sessions
from mycelium.wire.reachability import TOKEN_BYTES, ProbeKind, Reach, encode_reach
from mycelium.wire.train import ITEM_REACHABILITY

TRIED_NEAREST: Final = 3  # nodes beyond a neighbour
TRIED_AT_RANDOM: Final = 2
TRIAL_EVERY_S: Final = 30.0
HINT_S: Final = 5.0  # for which a neighbour's session is waited for


class Routes(Protocol):
    """What is decided of routes."""

    def avoid(self, node: bytes, neighbour: bytes, avoided: bool, *, now: float) -> None:
        """Counts the route of a neighbour to a node as longer, since what takes it does not arrive, or ends that."""

    def distrust(self, neighbour: bytes, distrusted: bool, *, now: float) -> None:
        """Takes all routes of a neighbour only where there are no others, or ends that."""

    def metric_over(self, neighbour: bytes, node: bytes) -> int:
        """Returns the metric to a node over a neighbour."""


class Distrusted(NamedTuple):
    """What is sent over a neighbour does not arrive: so many `partners`, chosen by this node, are silent, and all that were."""

    neighbour: bytes
    partners: int


class Suspects:
    """The neighbours that are tried.

    `ask` finds out whether a node (first) answers over a neighbour, of which `note` is told; it may be too busy for that.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        sending: Sending,
        forwarding: ForwardingTable,
        routes: Routes,
        entropy: Callable[[int], bytes],
        ask: Callable[..., None],
        news: list[Any],
    ) -> None:
        self._sessions = sessions
        self._sending = sending
        self._next_hop = forwarding.next_hop
        self._routes = routes
        self._entropy = entropy
        self._ask = ask
        self._news = news
        self._trials: dict[bytes, NeighbourTrial] = {}  # by neighbour
        # neighbour -> a node that it is to be asked to look for, and until when
        self._hints: dict[bytes, tuple[bytes, float]] = {}

    @property
    def has_hints(self) -> bool:
        """Tells whether neighbours are still to be asked."""
        return bool(self._hints)

    @property
    def distrusted(self) -> list[bytes]:
        """The neighbours that drop what they should forward, as far as this node can tell."""
        return [neighbour for neighbour, trial in self._trials.items() if trial.is_damning]

    def suspect(self, neighbour: bytes, node: bytes, *, now: float) -> None:
        """Has a neighbour look for a node that does not answer over it, and tries the neighbour itself."""
        self._hints[neighbour] = node, now + HINT_S
        self._send_hints(now=now)
        self._try(neighbour, now=now)

    def tries(self, node: bytes, neighbour: bytes) -> bool:
        """Tells whether a node was chosen to try a neighbour."""
        return node in self._trials.get(neighbour, ())

    def note(self, node: bytes, neighbour: bytes, *, answers: bool) -> None:
        """Notes whether a node answers over a neighbour, by which that may be judged."""
        trial = self._trials.get(neighbour)
        if trial is not None and trial.note(node, answers=answers):
            self._news.append(Distrusted(neighbour, trial.silent))

    def look(self, *, now: float) -> None:
        """Distrusts neighbours, also after a link that was down, and trusts others again."""
        self._send_hints(now=now)
        for neighbour, trial in list(self._trials.items()):
            for node in trial.unknown:  # also where it could not be asked at first
                self._ask(node, neighbour, now=now)
            self._routes.distrust(neighbour, trial.is_damning, now=now)
            if not trial.silent and now > trial.chosen_at + TRIAL_EVERY_S:
                del self._trials[neighbour]

    def _send_hints(self, *, now: float) -> None:
        for neighbour, (node, until) in list(self._hints.items()):
            session = self._sessions.find(neighbour, now=now)
            hint = encode_reach(Reach(ProbeKind.LOOK, bytes(TOKEN_BYTES), node))
            if now >= until or self._sending.send_item(session, ITEM_REACHABILITY, hint, over=neighbour, now=now):
                del self._hints[neighbour]
            else:
                self._sessions.request(session, now=now)

    def _try(self, neighbour: bytes, *, now: float) -> None:
        """Probes nodes beyond a neighbour over it, unless that was done a moment ago."""
        known = self._trials.get(neighbour)
        if known is not None and (known.is_damning or now < known.chosen_at + TRIAL_EVERY_S):
            return
        if known is None and len(self._trials) >= NEIGHBOURS:
            oldest = next(iter(self._trials))  # most likely gone for good
            self._routes.distrust(oldest, False, now=now)
            del self._trials[oldest]
        beyond = [node for node, way in self._next_hop.items() if way == neighbour and node != neighbour]
        first = int.from_bytes(self._entropy(4), "big") % max(len(beyond), 1)
        turned = beyond[first:] + beyond[:first]
        nearest = nsmallest(TRIED_NEAREST, turned, key=lambda node: self._routes.metric_over(neighbour, node))
        chosen = dict.fromkeys((*nearest, *turned[:TRIED_AT_RANDOM]))
        self._trials[neighbour] = NeighbourTrial(chosen, now=now)
        for node in chosen:
            self._ask(node, neighbour, now=now)
