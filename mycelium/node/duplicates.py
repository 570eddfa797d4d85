"""What a node does about another host with its key: it keeps the address or stands back, tells the operator, and tries again.

A node that stands back first becomes the last choice of its neighbours, so that no packets are lost that it relays, and closes
its links a second later. It stays up, without links: if it ended, whoever restarts it would make it the one that was started
later, and the two would take turns for ever.
"""

import random
from collections.abc import Iterable
from enum import Enum
from math import inf
from typing import Final

from mycelium.limits import NEIGHBOURS
from mycelium.node.event_kind import EventKind
from mycelium.node.journal import Journal
from mycelium.routing.duplicate import Claim
from mycelium.routing.engine import RoutingEngine
from mycelium.timing import Backoff
from mycelium.wire.announcement import KEY_SHARED

FIRST_WAIT_S: Final = 60.0
WAIT_CEILING_S: Final = 1_800.0
WAIT_JITTER: Final = 0.2
TRIAL_S: Final = 30.0  # without a sign of the other host for this long after a new attempt, it is gone
FORGOTTEN_S: Final = 2 * WAIT_CEILING_S  # the host that keeps the address hears nothing for so long: the other is gone
NEIGHBOUR_QUIET_S: Final = 3_600.0  # that a neighbour has another host is told again after so long without one

SHARED: Final = "another host runs with this node's key"
_REMEDY: Final = "stop one of the two, or give one of them a key of its own: 'mycelium generate-keys --force'"
_STANDS_BACK: Final = f"it was started later, so this one has closed its links and tries again later; {_REMEDY}"
_KEEPS: Final = f"this one was started later and keeps the address; {_REMEDY}"


class Reaction(Enum):
    """What the owner of the links is to do now."""

    NOTHING = "nothing"
    STAND_BACK = "stand back"
    RETURN = "return"


class Duplicates:
    """Follows what routing finds, and what neighbours announce: `neighbours` are those whose keys two hosts use, and when they
    last said so."""

    def __init__(self, routing: RoutingEngine, journal: Journal, rng: random.Random) -> None:
        self._routing = routing
        self._journal = journal
        self._backoff = Backoff(FIRST_WAIT_S, factor=2.0, ceiling=WAIT_CEILING_S, jitter=WAIT_JITTER, rng=rng)
        self._told: Claim | None = None
        self._retires = False  # if so, links are closed at the next call, once neighbours have other routes
        self._gone_at = inf  # when the other host counts as gone
        self.returns_at = inf  # until then this node stands back
        self.neighbours: dict[bytes, float] = {}

    @property
    def stands_back(self) -> bool:
        """Tells whether this node is to have no links."""
        return self.returns_at < inf

    def react(self, neighbours: Iterable[bytes], *, now: float) -> Reaction:
        """Takes what routing has found since the last call; `neighbours` are those with links, whatever their state."""
        self._tell_of_neighbours(neighbours, now=now)
        if self.stands_back:
            return self._return(now=now) if now >= self.returns_at else Reaction.NOTHING
        if self._retires:
            self._retires = False
            self.returns_at = now + self._backoff.next()
            return Reaction.STAND_BACK
        claim = self._routing.claim
        if claim is Claim.YIELDS:
            self._tell(claim, _STANDS_BACK, now=now)
            self._gone_at = inf
            self._retires = True
            self._routing.retire(now=now)
            return Reaction.NOTHING
        if claim is Claim.KEEPS:
            self._tell(claim, _KEEPS, now=now)
            self._gone_at = self._routing.duplicate_heard_at + FORGOTTEN_S
        if now >= self._gone_at:
            self._tell_of_end(now=now)
        return Reaction.NOTHING

    def describe(self) -> str | None:
        """Returns what there is to say of another host with this node's key, for the operator; None if there is none."""
        if self._told is None:
            return None
        return f"{SHARED}: {_STANDS_BACK if self._told is Claim.YIELDS else _KEEPS}"

    def is_shared(self, neighbour: bytes) -> bool:
        """Tells whether a neighbour announces that another host has its key."""
        announcement = self._routing.resolve(neighbour)
        return announcement is not None and bool(announcement.flags & KEY_SHARED)

    def replaced(self, neighbour: bytes, *, now: float) -> None:
        """Notes that another process of a neighbour's has taken the place of one whose link is down: one of the same host."""
        if not self.is_shared(neighbour):
            self._journal.note(EventKind.LINK_RESTARTED, node=neighbour, now=now)

    def describe_neighbour(self, neighbour: bytes) -> str | None:
        """Returns what there is to say of another host with a neighbour's key; None if there is none."""
        return f"two hosts run with its key: {_REMEDY}" if self.is_shared(neighbour) else None

    def _return(self, *, now: float) -> Reaction:
        self.returns_at = inf
        self._gone_at = now + TRIAL_S
        self._routing.forget_duplicate(now=now)
        return Reaction.RETURN

    def _tell(self, claim: Claim, cause: str, *, now: float) -> None:
        if self._told is not claim:
            self._told = claim
            self._journal.note(EventKind.KEY_SHARED, cause=cause, now=now)

    def _tell_of_end(self, *, now: float) -> None:
        self._told = None
        self._gone_at = inf
        self._backoff.reset()
        self._routing.forget_duplicate(now=now)
        self._journal.note(EventKind.KEY_ALONE, now=now)

    def _tell_of_neighbours(self, neighbours: Iterable[bytes], *, now: float) -> None:
        for neighbour in filter(self.is_shared, neighbours):
            if now - self.neighbours.get(neighbour, -inf) > NEIGHBOUR_QUIET_S:
                self._journal.note(EventKind.NEIGHBOUR_KEY_SHARED, node=neighbour, cause=_REMEDY, now=now)
            self.neighbours.pop(neighbour, None)
            self.neighbours[neighbour] = now
            if len(self.neighbours) > NEIGHBOURS:
                del self.neighbours[next(iter(self.neighbours))]
