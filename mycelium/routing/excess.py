"""What neighbours do beyond their budgets, in words for operators, until the node tells of it."""

from typing import Final

from mycelium.limits import LINKS
from mycelium.timing import TokenBuckets

NOTED_AGAIN_S: Final = 60.0  # after which the same excess of the same neighbour is told again

STARTS: Final = "it begins control streams too often, and is not listened to for some seconds"
CHANGES: Final = "it changes routes all the time; others are told of them more slowly"
FORGERY: Final = "it sends announcements that their nodes have not signed, which every honest node drops"
CONTROL: Final = "it sends more control messages than this node takes; what is too much is dropped"
FRAMES: Final = (
    "it sends more frames without data than any link needs; this node reads less of what it sends for some seconds"
)
QUESTIONS: Final = "it asks routing, leases and peers for more than any node needs; what is too much is dropped"
SESSION_REQUESTS: Final = "it passes on more requests for sessions than this node answers; they compete with each other"
LOST: Final = "it sends packets without end to nodes that this node can't reach"
SHARE: Final = (
    "it brings more nodes than its share of the route table, which is nearly full; nodes that only it brings give way"
)
PROBES: Final = "it probes without end whether this node answers; what is too much is not answered"
MEMBERSHIP: Final = "it shows certificates and removed members without end; what is too much is dropped"


class Excesses:
    """Each excess of each neighbour, once a minute at most."""

    __slots__ = ("_noted", "_rates")

    def __init__(self) -> None:
        self._noted: list[tuple[bytes, str]] = []
        self._rates = TokenBuckets[tuple[bytes, str]](1 / NOTED_AGAIN_S, burst=1, keys=4 * LINKS)

    def note(self, node: bytes, cause: str, *, now: float) -> None:
        """Notes what the neighbour with an overlay address does."""
        if self._rates.take((node, cause), now=now):
            self._noted.append((node, cause))

    def take(self) -> list[tuple[bytes, str]]:
        """Returns neighbours and what they do, in the order in which it was first noted."""
        taken, self._noted = self._noted, []
        return taken
