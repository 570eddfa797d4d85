"""What other nodes do beyond their budgets, in words for operators, until the node tells of it.

Those are neighbours, and nodes far away that have proved who they are by a session. Keys cost nothing in the open network, so
few are named for the same thing; the last of them stands for all others.
"""

from typing import Final

from mycelium.limits import NEIGHBOURS, SharedRate
from mycelium.timing import SharedBucket, TokenBuckets

NOTED_AGAIN_S: Final = 60.0  # after which the same excess of the same node is told again
NAMED: Final = 16  # nodes in that time, for the same excess
AND_MORE: Final = "; further nodes that do so are not named for a while"

STARTS: Final = "it begins control streams too often, and is not listened to for some seconds"
CHANGES: Final = "it changes routes all the time; others are told of them more slowly"
FORGERY: Final = "it sends announcements that their nodes have not signed, which every honest node drops"
CONTROL: Final = "it sends more control messages than this node takes; what is too much is dropped"
FRAMES: Final = (
    "it sends more frames without data than any link needs; this node reads less of what it sends for some seconds"
)
DIGESTS: Final = "it has this node compare tables again and again; what is too much is not compared"
QUESTIONS: Final = "it asks routing, leases and peers for more than any node needs; what is too much is dropped"
SESSION_REQUESTS: Final = "it passes on more requests for sessions than this node answers; they compete with each other"
LOST: Final = "it sends packets without end to nodes that this node can't reach"
SHARE: Final = (
    "it brings more nodes than its share of the route table, which is nearly full; nodes that only it brings give way"
)
PROBES: Final = "it probes without end whether this node answers; what is too much is not answered"
MEMBERSHIP: Final = "it shows certificates and removed members without end; what is too much is dropped"
DENIED: Final = "it sends packets without end that the policy of this node does not let in"
PROOFS: Final = "it wants and shows proofs of keys without end, far more often than handshakes need"
SPEED_TESTS: Final = "it asks for speed tests again and again; what is too much is not answered"
ECHOES: Final = "it asks for echoes without end; what is too much is not answered"
SURVEYS: Final = "it asks for the links of this node without end; what is too much is not answered"
LOOKUPS: Final = "it passes on more questions for homes than this node answers; what is too much is dropped"
HOMES: Final = "it hands over home records without end that this node does not keep"
LIES: Final = "it passes on errors about packets that this node has not sent"
REPAIRS: Final = (
    "it asks for more frames again than this node has sent; this node reads less of what it sends for some seconds"
)
CHATTER: Final = "it sends far more frames without data than a link needs"
RENEWALS: Final = "it announces the same nodes again and again, far more often than nodes have news"


class Excesses:
    """Each excess of each node, once a minute at most, and of NAMED nodes at once."""

    __slots__ = ("_named", "_noted", "_rates")

    def __init__(self) -> None:
        self._noted: list[tuple[bytes, str]] = []
        self._rates = TokenBuckets[tuple[bytes, str]](1 / NOTED_AGAIN_S, burst=1, keys=4 * NEIGHBOURS)
        self._named = TokenBuckets[str](NAMED / NOTED_AGAIN_S, burst=NAMED, keys=4 * NEIGHBOURS)

    def note(self, node: bytes, cause: str, *, now: float) -> None:
        """Notes what the node with an overlay address does."""
        if self._rates.take((node, cause), now=now) and self._named.take(cause, now=now):
            is_last = self._named.of(cause, now=now).tokens(now=now) < 1
            self._noted.append((node, cause + AND_MORE if is_last else cause))

    def take(self) -> list[tuple[bytes, str]]:
        """Returns nodes and what they do, in the order in which it was first noted."""
        taken, self._noted = self._noted, []
        return taken


class NamedRate:
    """A rate for each of at most `keys` nodes, beyond which a node is named."""

    __slots__ = ("_buckets", "_cause", "_excesses")

    def __init__(
        self, excesses: Excesses, cause: str, per_second: float, *, burst: float | None = None, keys: int
    ) -> None:
        self._excesses = excesses
        self._cause = cause
        self._buckets = TokenBuckets[bytes](per_second, burst=burst, keys=keys)

    def take(self, node: bytes, *, now: float) -> bool:
        """Takes one token of a node; names it, and returns False, if it has none."""
        if self._buckets.take(node, now=now):
            return True
        self._excesses.note(node, self._cause, now=now)
        return False


class NamedShare:
    """A rate that many nodes share; one that is refused is named, unless it has taken little."""

    __slots__ = ("_cause", "_excesses", "_shared")

    def __init__(self, excesses: Excesses, cause: str, rate: SharedRate, *, keys: int, now: float) -> None:
        self._excesses = excesses
        self._cause = cause
        self._shared = SharedBucket[bytes](rate, keys=keys, now=now)

    def take(self, node: bytes, *, now: float) -> bool:
        """Takes one token for a node; returns False, and takes none, if there are too few."""
        if self._shared.take(node, now=now):
            return True
        if not self._shared.takes_little(node, now=now):
            self._excesses.note(node, self._cause, now=now)
        return False
