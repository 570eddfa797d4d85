"""How often everything happened that the journal tells of, which itself keeps the newest only, and not all of many."""

from collections import Counter
from typing import Final

from mycelium.counters import Histogram
from mycelium.node.cause_kind import kind_of_cause
from mycelium.node.event_kind import EventKind
from mycelium.node.totals import Totals

OUTAGE_BOUNDS_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0)
PUSHED_OUT: Final = "pushed out"  # cause of changes of routes of which only the number is known

# What a link is afterwards, and why where that does not depend on the event.
_TRANSITIONS: Final = {
    EventKind.LINK_UP: ("up", "linked"),
    EventKind.LINK_TRUSTED: ("up", "answers again"),
    EventKind.LINK_SUSPECT: ("suspect", None),
    EventKind.LINK_DOWN: ("down", None),
}


class Tally:
    """Totals since the node started."""

    __slots__ = ("failures", "links", "outages", "routes", "session_renewals")

    def __init__(self) -> None:
        self.links: Final[Totals[bytes]] = Totals()  # by neighbour: what its link became, and the kind of the cause
        self.failures: Final[Totals[str]] = Totals()  # by URL of a configured peer: the kind of the cause
        self.routes: Final[Counter[str]] = Counter()  # changes of next hops, by cause
        self.outages: Final = Histogram(
            *OUTAGE_BOUNDS_S
        )  # seconds without a working route, of each that was found again
        self.session_renewals = 0

    def note(self, kind: EventKind, node: bytes | None, cause: str | None) -> None:
        """Counts an event."""
        if kind in _TRANSITIONS and node is not None:
            to, known = _TRANSITIONS[kind]
            self.links.of(node)[to, known or kind_of_cause(cause)] += 1
        elif kind is EventKind.SESSION_RENEWED:
            self.session_renewals += 1

    def peer_failed(self, url: str, cause: str) -> None:
        """Counts an attempt to reach a configured peer that failed."""
        self.failures.of(url)[(kind_of_cause(cause),)] += 1
