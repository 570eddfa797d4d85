"""What happened to the links, peers, sessions and routes of a node, for its operator, in the order in which it was noticed.

Route changes have a ring buffer of their own, so that thousands of them push out no entry of a link. Sequence numbers grow by
one per entry: a reader that polls sees by a gap that entries were pushed out.
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
    """What an entry is about, with the fields of `Entry` that are set."""

    LINK_UP = "link-up"  # node, after
    LINK_SUSPECT = "link-suspect"  # node, silent_s
    LINK_TRUSTED = "link-trusted"  # node; it answers again
    LINK_DOWN = "link-down"  # node, cause, silent_s
    LINK_RESTARTED = "link-restarted"  # node; routes are exchanged anew
    LINK_KEYS = "link-keys"  # node; a rekey
    LINK_MOVED = "link-moved"  # node, before, after
    PEER_FAILED = "peer-failed"  # peer, cause, count
    SESSION_RENEWED = "session-renewed"  # node; the other end had lost the keys
    ROUTE = "route"  # node, before, after, cause, without_s
    ROUTES = "routes"  # count of the changes without an entry of their own


class Entry(Struct, frozen=True, kw_only=True):
    """One event. Nodes and next hops are 16-byte overlay addresses; times are seconds."""

    sequence: int
    at: float  # on the clock of `now`
    kind: Kind
    node: bytes | None = None  # the neighbour, a route's destination, or a session's other end
    peer: str | None = None  # URL of a configured peer
    before: bytes | Endpoint | None = None  # next hop, or a neighbour's address on the underlay
    after: bytes | Endpoint | None = None
    cause: str | None = None
    silent_s: float | None = None  # how long the neighbour had not answered
    without_s: float | None = None  # from the silence of the old next hop to the new one
    count: int = 1


class Journal:
    """The newest entries. Anything a peer can trigger costs one ring-buffer append."""

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
        """Notes that a neighbour's link carries traffic."""
        self._note(Kind.LINK_UP, now, node=neighbour, after=endpoint)

    def link_moved(self, neighbour: bytes, before: Endpoint, after: Endpoint, *, now: float) -> None:
        """Notes that a neighbour is reached at another address."""
        self._note(Kind.LINK_MOVED, now, node=neighbour, before=before, after=after)

    def link_suspect(self, neighbour: bytes, silent_s: float, *, now: float) -> None:
        """Notes that a neighbour has not answered for `silent_s` seconds and is not used meanwhile."""
        self._note(Kind.LINK_SUSPECT, now, node=neighbour, silent_s=silent_s)

    def link_trusted(self, neighbour: bytes, *, now: float) -> None:
        """Notes that a suspected neighbour has answered."""
        self._note(Kind.LINK_TRUSTED, now, node=neighbour)

    def link_down(self, neighbour: bytes, cause: str, silent_s: float, *, now: float) -> None:
        """Notes that a neighbour's link is down."""
        self._note(Kind.LINK_DOWN, now, node=neighbour, cause=cause, silent_s=silent_s)

    def link_restarted(self, neighbour: bytes, *, now: float) -> None:
        """Notes that a neighbour has lost the routes it was told."""
        self._note(Kind.LINK_RESTARTED, now, node=neighbour)

    def link_keys(self, neighbour: bytes, *, now: float) -> None:
        """Notes that the keys of a link are new."""
        self._note(Kind.LINK_KEYS, now, node=neighbour)

    # -- peers and sessions --------------------------------------------------------------------------------------------

    def peer_failed(self, url: str, cause: str, failures: int, *, now: float) -> None:
        """Notes a failed attempt to reach a configured peer, if the number of failures in a row is a power of two."""
        if failures and not failures & failures - 1:
            self._note(Kind.PEER_FAILED, now, peer=url, cause=cause, count=failures)

    def session_renewed(self, node: bytes, *, now: float) -> None:
        """Notes that a session's keys were replaced early."""
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
        """Takes the newest changes of next hops; `version` is the number of all changes so far.

        `is_in_use` tells which destinations have traffic, `silent_since` since when a neighbour has not answered.
        """
        self._routes.take(changes, version, is_in_use=is_in_use, silent_since=silent_since, now=now)

    def sweep(self, *, now: float) -> None:
        """Notes routes that are lost for good, and how many changes were left out; to be called every second."""
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
