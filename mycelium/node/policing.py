"""What a new policy forbids ends: links and sessions that exist already."""

from mycelium.link.causes import DENIED_HERE
from mycelium.node.neighbours import Neighbours
from mycelium.policy.base import Policy
from mycelium.session.table import Sessions


def end_forbidden(neighbours: Neighbours, sessions: Sessions, policy: Policy, *, now: float) -> tuple[int, int]:
    """Ends links and sessions that the policy does not allow; returns how many of each."""
    links = [link for link in neighbours.links.values() if not policy.allows_neighbour(link.address)]
    for link in links:
        neighbours.close(link, DENIED_HERE, now=now)
    denied = [one for one in sessions.by_peer.values() if not policy.allows_session(one.peer, now=now)]
    for session in denied:
        sessions.forget(session)
    return len(links), len(denied)
