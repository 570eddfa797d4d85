"""Deadlines of links that have come: most have moved later by then, and nothing more follows from these."""

from collections.abc import Iterable

from mycelium.dataplane.receiving import Receiving
from mycelium.node.neighbours import Neighbours


def handle_links(due: Iterable[bytes | str], neighbours: Neighbours, receiving: Receiving, *, now: float) -> bool:
    """Has the links among `due` do what they want done; tells whether anything is due of them, or of others."""
    is_due = False
    for reason in due:
        link = neighbours.links.get(reason) if isinstance(reason, bytes) else None
        if link is None:
            is_due = True
            continue
        has_moved = link.next_deadline() > now  # with each frame that was received meanwhile; it is set again
        for frame in link.handle_timeout(now=now):
            receiving.receive_frame(frame, now=now, neighbour=link.address)
        if not has_moved:
            is_due = True
            neighbours.handle_events(now=now)
    return is_due
