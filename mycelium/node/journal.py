"""What happened to the links, peers, sessions and routes of a node, for its operator, in the order in which it was noticed.

Route changes have a ring of their own, so that thousands of them push out no entry of a link, and in both each neighbour has
a share. Sequence numbers grow by one per entry: a reader that polls sees by a gap that entries were pushed out. Times never
fall from one entry to the next.
"""

from collections.abc import Callable, Iterable
from heapq import merge

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.limits import JOURNAL_ENTRIES
from mycelium.link.events import KeysRenewed, LinkEvent, LinkMoved, LinkSuspected, LinkTrusted, NeighbourReset
from mycelium.node.event_kind import EventKind
from mycelium.node.event_rate import EventRate
from mycelium.node.fair_ring import FairRing
from mycelium.node.route_story import RouteStory
from mycelium.node.tally import Tally
from mycelium.peering.outside import View
from mycelium.routing.selection import RouteChange


class Entry(Struct, frozen=True, kw_only=True):
    """One event. Nodes and next hops are 16-byte overlay addresses; times are seconds."""

    sequence: int
    at: float  # on the clock of `now`
    kind: EventKind
    node: bytes | None = None  # the neighbour, a route's destination, or a session's other end
    peer: str | None = None  # URL of a configured peer
    endpoint: Endpoint | None = None  # at which a configured peer was tried, where its URL does not say
    before: bytes | Endpoint | None = None  # next hop, or a neighbour's address on the underlay
    after: bytes | Endpoint | None = None  # or the other one of two nodes
    cause: str | None = None
    silent_s: float | None = None  # how long the neighbour had not answered
    # how long there was no working route: from the silence of the old next hop to the new route, or to `at` while there is none
    without_s: float | None = None
    count: int = 1


class Journal:
    """The newest entries. Anything a peer can trigger costs one append."""

    def __init__(self, *, now: float) -> None:
        self.newest = 0  # sequence of the newest entry
        self._newest_at = now
        self._notes: FairRing[Entry] = FairRing(JOURNAL_ENTRIES)  # by neighbour or peer
        self._route_notes: FairRing[Entry] = FairRing(JOURNAL_ENTRIES)  # by next hop
        self.tally = Tally()
        self._rate = EventRate(now=now)
        self._routes = RouteStory(tell=self._note_route, tell_of_more=self._note_more_routes, tally=self.tally, now=now)

    def after(self, sequence: int) -> list[Entry]:
        """Returns the entries with a greater sequence that are still kept, oldest first."""
        newer = self._notes.after(sequence), self._route_notes.after(sequence)
        return list(merge(*newer, key=lambda entry: entry.sequence))

    def note(
        self,
        kind: EventKind,
        *,
        now: float,
        node: bytes | None = None,
        peer: str | None = None,
        endpoint: Endpoint | None = None,
        before: Endpoint | None = None,
        after: bytes | Endpoint | None = None,
        cause: str | None = None,
        silent_s: float | None = None,
        count: int = 1,
    ) -> None:
        """Adds an entry about a link, a peer or a session, unless there are many; `Entry` says what the fields are."""
        self.tally.note(kind, node, cause)
        if not self._rate.admits(kind, node or peer, now=now):
            return
        self._append(
            self._notes,
            Entry(
                sequence=self.newest + 1,
                at=max(now, self._newest_at),
                kind=kind,
                node=node,
                peer=peer,
                endpoint=endpoint,
                before=before,
                after=after,
                cause=cause,
                silent_s=silent_s,
                count=count,
            ),
        )

    def link_reported(self, event: LinkEvent, *, now: float) -> None:
        """A link that stays has reported something; its beginning and end are noted by who knows what they mean."""
        node = event.neighbour
        match event:
            case LinkSuspected():
                self.note(EventKind.LINK_SUSPECT, node=node, cause=event.cause, silent_s=event.silent_s, now=now)
            case LinkTrusted():
                self.note(EventKind.LINK_TRUSTED, node=node, now=now)
            case LinkMoved():
                self.note(EventKind.LINK_MOVED, node=node, before=event.before, after=event.after, now=now)
            case NeighbourReset():
                self.note(EventKind.LINK_RESTARTED, node=node, now=now)
            case KeysRenewed():
                self.note(EventKind.LINK_KEYS, node=node, now=now)

    def peer_failed(self, url: str, cause: str, failures: int, *, endpoint: Endpoint | None = None, now: float) -> None:
        """A configured peer was not reached so many times in a row; noted the 1st, 2nd, 4th, 8th time and so on.

        `endpoint` is where it was tried.
        """
        self.tally.peer_failed(url, cause)
        if failures and not failures & failures - 1:
            self.note(EventKind.PEER_FAILED, peer=url, endpoint=endpoint, cause=cause, count=failures, now=now)

    def outside_changed(self, view: View | None, *, now: float) -> None:
        """Neighbours see this node elsewhere than before; None: nothing has changed."""
        if view is not None and view.addresses:
            seen_at = Endpoint("udp", *view.addresses[0])
            self.note(EventKind.OUTSIDE, after=seen_at, cause=view.mapping.value, now=now)

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
        """Notes routes that are lost for good, and how much was left out; to be called every second."""
        self._routes.sweep(now=now)
        for subject, count in self._rate.take_left_out(now=now).items():
            node = subject if isinstance(subject, bytes) else None
            peer = subject if isinstance(subject, str) else None
            self.note(EventKind.MORE, node=node, peer=peer, count=count, now=now)

    def _note_route(
        self, at: float, node: bytes, before: bytes | None, after: bytes | None, cause: str, without_s: float | None
    ) -> None:
        entry = Entry(
            sequence=self.newest + 1,
            at=max(at, self._newest_at),  # a change is read a moment after it was made
            kind=EventKind.ROUTE,
            node=node,
            before=before,
            after=after,
            cause=cause,
            without_s=without_s,
        )
        self._append(self._route_notes, entry)

    def _note_more_routes(self, at: float, count: int) -> None:
        self._append(self._route_notes, Entry(sequence=self.newest + 1, at=at, kind=EventKind.ROUTES, count=count))

    def _append(self, ring: FairRing[Entry], entry: Entry) -> None:
        self.newest, self._newest_at = entry.sequence, entry.at
        is_route = ring is self._route_notes
        ring.append(entry, entry.before or entry.after if is_route else entry.node or entry.peer)
