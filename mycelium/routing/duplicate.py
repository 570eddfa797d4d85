"""Detection of a second host with the same key: two nodes that announce themselves under one address.

A newer sequence of our own that we did not issue is either our past (a start with an older clock and no kept epoch) or another
host. So we jump past it, to a sequence that depends on it. Only a host that holds the key, is alive and has heard us can jump
past that one in turn: its jump answers ours. Recordings of old announcements can't.

The host whose sequence was jumped past first, and not in reply, was started later: it keeps the address, and says in its
announcements from then on that there is another host. That one yields and jumps no further.
"""

from collections import deque
from enum import Enum
from math import inf
from typing import Final

from mycelium.identity import blake2b

REMEMBERED_SEQUENCES: Final = 16  # our newest sequences: another host may jump past any of them
ANSWER_RANGE: Final = 16  # a jump may be followed by so many increases before it is heard
LEAST_JUMP: Final = 256  # shortest jump: increases by one never lead as far between two jumps
LEAST_LEAP: Final = LEAST_JUMP - ANSWER_RANGE  # what lies so far ahead was not reached by increases that were missed
JUMP_SPREAD: Final = 1_024  # number of lengths of jumps: far above ANSWER_RANGE, small in an epoch
BEHIND_S: Final = 20.0  # seconds after a jump in which it and increases after it count as replies


class Claim(Enum):
    """What a node makes of its address while another host has the same key."""

    KEEPS = "keeps"  # as it was started later
    YIELDS = "yields"


def jump_past(sequence: int) -> int:
    """Returns the sequence to which an origin jumps past another one; how far it is tells from where."""
    tell_tale = int.from_bytes(blake2b(sequence.to_bytes(6, "big"), size=2), "big")
    return sequence + LEAST_JUMP + tell_tale % JUMP_SPREAD


def is_jump_past(sequence: int, newer: int) -> bool:
    """Tells whether `newer` is a jump past `sequence`, perhaps increased a few times since."""
    return 0 <= newer - jump_past(sequence) < ANSWER_RANGE


class DuplicateDetection:
    """What claim an origin has, from the sequences that it issues and those that it hears of itself."""

    __slots__ = ("_behind_until", "_issued", "claim", "heard_at")

    def __init__(self) -> None:
        self._issued: deque[tuple[int, float]] = deque(
            maxlen=REMEMBERED_SEQUENCES
        )  # sequence, until when it is a reply
        self._behind_until = -inf
        self.heard_at = -inf  # the last proof that another host is alive
        self.claim: Claim | None = None  # None: there has been none

    def issued(self, sequence: int) -> None:
        """Notes a sequence of our own."""
        self._issued.append((sequence, self._behind_until))

    def heard(self, sequence: int, *, now: float) -> None:
        """Takes a sequence of ours, newer than any that we have issued. Unless we yield, it is to be jumped past."""
        reply_until = next((until for own, until in self._issued if is_jump_past(own, sequence)), None)
        if reply_until is not None:
            self.heard_at = now
            self.claim = Claim.YIELDS if now < reply_until else Claim.KEEPS
        self._behind_until = now + BEHIND_S

    def forget(self) -> None:
        """Starts over: what was heard so far proves nothing any more."""
        self.claim = None
        self._issued.clear()
