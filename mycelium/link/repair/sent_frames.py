"""The sender's side of repair: sealed data frames that can be sent again, as they are.

Little is kept before the neighbour has asked for something, or KEEPING_S after it last did, as a link that loses nothing is to
cost nothing: the first frames after a rest, since whoever begins to send to a place where datagrams are lost would have whole
frames lost at once, and take that for congestion. The neighbour is authenticated, and can cause no more than a bounded memory,
ANSWERS resends of a frame, and a quarter of the bytes that are sent anyway.
"""

from collections import deque
from collections.abc import Iterable
from math import inf
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import SENT_BYTES_PER_LINK
from mycelium.link.counters import LinkCounters
from mycelium.link.fold import Shape

KEEPING_S: Final = 60.0  # how long frames go on being kept after the last sign of loss
# Frames of several datagrams that are kept after a rest all the same. They last until a loss of one in a thousand datagrams has
# been reported; a lone packet is to cost no more than it does.
FIRST_FRAMES: Final = 64
KEPT_S: Final = 0.25  # how long one frame is kept: the neighbour gives up on it earlier
ANSWERS: Final = 5  # how often one frame, or parts of it, may be resent
RESENT_SHARE: Final = 4  # bytes sent for each byte that may be resent
FIRST_ALLOWANCE: Final = 128 << 10  # bytes to resend before there is a share
MOST_ALLOWANCE: Final = 1 << 20  # bytes to resend that can be saved up
SENT_OVERHEAD: Final = 256  # bytes charged for a frame besides its own
_REMEMBERED: Final = 128  # counters of frames that may be lost without harm

# counter; `body` and `shape` as in SentFrame; first byte and end of what to send of the sealed frame, or of the folded one
Piece = tuple[int, bytes, Shape | None, int, int]


class SentFrame:
    """A frame as it was sent: `body` has its datagrams, heads and all, where it has a shape, else it is the sealed frame."""

    __slots__ = ("answers", "body", "sent_at", "shape", "total")

    def __init__(self, body: bytes, shape: Shape | None, *, now: float) -> None:
        self.body = body
        self.shape = shape
        self.total = len(body) if shape is None else shape[0]  # bytes that can be asked for
        self.sent_at = now
        self.answers = 0


class SentFrames:
    """The newest data frames of one link, under the keys in use."""

    __slots__ = (
        "_allowance",
        "_budget",
        "_complete_from",
        "_expendable",
        "_first_left",
        "_frames",
        "counters",
        "excused",
        "held_bytes",
        "keeps_long_until",
        "keeps_until",
    )

    def __init__(self, budget: ByteBudget, counters: LinkCounters) -> None:
        self.keeps_until = -inf  # frames sent later need not be kept
        self.keeps_long_until = inf  # the same for those of several datagrams
        self._first_left = FIRST_FRAMES
        self._complete_from = 0  # counter from which on all data frames are kept
        self.held_bytes = 0
        self.counters = counters
        self._allowance = FIRST_ALLOWANCE
        self._budget = budget
        self._frames: dict[int, SentFrame] = {}  # by counter, oldest first
        self.excused = 0  # frames without data that were asked for: nobody misses them; taken by the owner
        self._expendable: deque[int] = deque(maxlen=_REMEMBERED)

    def keep(self, counter: int, body: bytes, shape: Shape | None, *, now: float) -> None:
        """Keeps a data frame that is sent now, as `SentFrame`."""
        self._frames[counter] = SentFrame(body, shape, now=now)
        self._charge(len(body) + SENT_OVERHEAD)
        self._allowance = min(self._allowance + len(body) // RESENT_SHARE, MOST_ALLOWANCE)
        self._shrink(now=now)
        if now >= self.keeps_until:
            self._first_left -= 1
            if not self._first_left:
                self.keeps_long_until = self.keeps_until

    def answer(self, ranges: Iterable[tuple[int, int, int]], *, newest: int, now: float) -> list[Piece]:
        """Returns what to send of the ranges asked for: parts of frames up to `newest` that are kept, within the bounds."""
        pieces: list[Piece] = []
        current = position = 0
        for counter, start, end in ranges:
            if not 0 < counter <= newest:
                self.counters.repair_ranges_refused += 1
                continue
            if counter not in self._expendable:
                self._keep_all(newest, now=now)
            frame = self._frames.get(counter)
            if frame is None:
                self.counters.repair_ranges_refused += 1
                self._excuse(counter)
                continue
            if counter != current:
                current, position = counter, 0
                frame.answers += 1
            end = min(end, frame.total)
            if frame.answers > ANSWERS or not position <= start < end or end - start > self._allowance:
                self.counters.repair_ranges_refused += 1
                continue
            position = end
            self._allowance -= end - start
            self.counters.repair_bytes_resent += end - start
            pieces.append((counter, frame.body, frame.shape, start, end))
        return pieces

    def sweep(self, *, is_used: bool, now: float) -> None:
        """Drops what nobody will ask for any more; to be called every second, and told whether there was traffic in it."""
        self._shrink(now=now)
        if not is_used:
            self.keeps_long_until, self._first_left = inf, FIRST_FRAMES

    def clear(self) -> None:
        """Drops everything: the keypair is new, or the link is over."""
        self._frames.clear()
        self._expendable.clear()
        self._complete_from = 0
        self._charge(-self.held_bytes)

    def _keep_all(self, newest: int, *, now: float) -> None:
        if now >= self.keeps_until:
            self._complete_from = newest
        self.keeps_until = self.keeps_long_until = now + KEEPING_S

    def _excuse(self, counter: int) -> None:
        """Counts a frame sent after one that is kept: if it had carried data, it would be kept too."""
        oldest = max(next(iter(self._frames), counter), self._complete_from)
        if counter > oldest and counter not in self._expendable:
            self._expendable.append(counter)
            self.excused += 1

    def _shrink(self, *, now: float) -> None:
        frames = self._frames
        while frames:
            counter = next(iter(frames))
            frame = frames[counter]
            is_within = self.held_bytes <= SENT_BYTES_PER_LINK and self._budget.has_room(0)
            if is_within and frame.sent_at >= now - KEPT_S:
                return
            del frames[counter]
            self._charge(-len(frame.body) - SENT_OVERHEAD)

    def _charge(self, size: int) -> None:
        self.held_bytes += size
        self._budget.held_bytes += size
