"""What has happened to a node, for its operator: links, peers, sessions and routes, in the order it was noticed.

Two rings, so that a mesh whose routes all change pushes out no link's death. Each entry has a number one greater than the
one before; whoever reads now and then sees by a jump that some were pushed out.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from heapq import merge
from itertools import takewhile
from typing import Any

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.limits import JOURNAL_ENTRIES
from mycelium.node.route_story import RouteStory
from mycelium.routing.selection import RouteChange


class Kind(StrEnum):
    """What an entry is about; `Entry` says which of its fields are set."""

    LINK_UP = "link-up"  # node, after
    LINK_SUSPECT = "link-suspect"  # node, silent_s
    LINK_TRUSTED = "link-trusted"  # node: it answers again
    LINK_DOWN = "link-down"  # node, cause, silent_s
    LINK_RESTARTED = "link-restarted"  # node: it tells its routes anew and hears ours
    LINK_KEYS = "link-keys"  # node: they were renewed
    LINK_MOVED = "link-moved"  # node, before, after
    PEER_FAILED = "peer-failed"  # peer, cause, count
    SESSION_RENEWED = "session-renewed"  # node: before its keys were old, as the other end had lost them
    ROUTE = "route"  # node, before, after, cause, without_s
    ROUTES = "routes"  # count: changes that have no entry of their own


class Entry(Struct, frozen=True, kw_only=True):
    """One thing that happened. Nodes are 16-byte addresses, next hops too; times are seconds."""

    sequence: int
    at: float  # of the same clock as every `now`
    kind: Kind
    node: bytes | None = None  # the neighbour, a route's destination, or a session's other end
    peer: str | None = None  # URL of a configured peer
    before: bytes | Endpoint | None = None  # next hop, or a neighbour's address on the underlay
    after: bytes | Endpoint | None = None
    cause: str | None = None
    silent_s: float | None = None  # how long the neighbour had not answered
    without_s: float | None = None  # how long it had no working route: from the old next hop's silence to the new one
    count: int = 1


class Journal:
    """Takes notes. What others can cause costs at most a push into a ring."""

    def __init__(self, *, now: float) -> None:
        self.newest = 0  # sequence of the newest entry
        self._notes: deque[Entry] = deque(maxlen=JOURNAL_ENTRIES)
        self._route_notes: deque[Entry] = deque(maxlen=JOURNAL_ENTRIES)
        self._routes = RouteStory(tell=self._note_route, tell_of_more=self._note_more_routes, now=now)

    def after(self, sequence: int) -> list[Entry]:
        """Returns the entries with a greater sequence that are still kept, oldest first."""
        newer = _newer(self._notes, sequence), _newer(self._route_notes, sequence)
        return list(merge(*newer, key=lambda entry: entry.sequence))

    # -- links ---------------------------------------------------------------------------------------------------------

    def link_up(self, neighbour: bytes, endpoint: Endpoint, *, now: float) -> None:
        """A neighbour's link carries traffic."""
        self._note(Kind.LINK_UP, now, node=neighbour, after=endpoint)

    def link_moved(self, neighbour: bytes, before: Endpoint, after: Endpoint, *, now: float) -> None:
        """A neighbour is reached at another address."""
        self._note(Kind.LINK_MOVED, now, node=neighbour, before=before, after=after)

    def link_suspect(self, neighbour: bytes, silent_s: float, *, now: float) -> None:
        """A neighbour has not answered for so long and is not used meanwhile."""
        self._note(Kind.LINK_SUSPECT, now, node=neighbour, silent_s=silent_s)

    def link_trusted(self, neighbour: bytes, *, now: float) -> None:
        """A suspected neighbour has answered."""
        self._note(Kind.LINK_TRUSTED, now, node=neighbour)

    def link_down(self, neighbour: bytes, cause: str, silent_s: float, *, now: float) -> None:
        """A link is over."""
        self._note(Kind.LINK_DOWN, now, node=neighbour, cause=cause, silent_s=silent_s)

    def link_restarted(self, neighbour: bytes, *, now: float) -> None:
        """A neighbour has lost what we told it."""
        self._note(Kind.LINK_RESTARTED, now, node=neighbour)

    def link_keys(self, neighbour: bytes, *, now: float) -> None:
        """Another handshake with a neighbour was completed."""
        self._note(Kind.LINK_KEYS, now, node=neighbour)

    # -- peers and sessions --------------------------------------------------------------------------------------------

    def peer_failed(self, url: str, cause: str, failures: int, *, now: float) -> None:
        """A configured peer could not be reached, so many times in a row; noted the 1st, 2nd, 4th, 8th time and so on."""
        if failures and not failures & failures - 1:
            self._note(Kind.PEER_FAILED, now, peer=url, cause=cause, count=failures)

    def session_renewed(self, node: bytes, *, now: float) -> None:
        """The keys shared with a node were replaced before their time."""
        self._note(Kind.SESSION_RENEWED, now, node=node)

    # -- routes --------------------------------------------------------------------------------------------------------

    def routes_changed(
        self,
        changes: Iterable[RouteChange],
        version: int,
        *,
        is_in_use: Callable[[bytes], bool],
        silent_since: Callable[[bytes], float],
        now: float,
    ) -> None:
        """Takes the newest changes of next hops; `version` tells how many there have ever been.

        `is_in_use` tells for which destinations there is traffic, `silent_since` since when a neighbour has not answered.
        """
        self._routes.take(changes, version, is_in_use=is_in_use, silent_since=silent_since, now=now)

    def sweep(self, *, now: float) -> None:
        """Notes routes that have been gone for a while, and how many changes were left out; to be called every second."""
        self._routes.sweep(now=now)

    def _note_route(
        self, at: float, node: bytes, before: bytes | None, after: bytes | None, cause: str, without_s: float | None
    ) -> None:
        self._note(
            Kind.ROUTE, at, self._route_notes, node=node, before=before, after=after, cause=cause, without_s=without_s
        )

    def _note_more_routes(self, at: float, count: int) -> None:
        self._note(Kind.ROUTES, at, self._route_notes, count=count)

    def _note(self, kind: Kind, at: float, ring: deque[Entry] | None = None, **fields: Any) -> None:
        self.newest += 1
        entry = Entry(sequence=self.newest, at=at, kind=kind, **fields)
        (self._notes if ring is None else ring).append(entry)


def _newer(ring: deque[Entry], sequence: int) -> list[Entry]:
    newer = list(takewhile(lambda entry: entry.sequence > sequence, reversed(ring)))
    newer.reverse()
    return newer
