"""Which earlier frame of a link a data frame must not overtake: the nearest one that may carry the same flow."""

import struct
from typing import Final

from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import LENGTH_MASK, TRAIN_HEADER_BYTES

BUCKETS: Final = 256
DISTANCE_CEILING: Final = 0xFFFF
_WORD: Final = struct.Struct("!I")  # of a train's header: bucket << 24 | length
_unpack_word: Final = _WORD.unpack_from
_WORD_OFFSET: Final = 4
_FIRST_WORD: Final = FRAME_HEADER.size + _WORD_OFFSET
_ONE_TRAIN: Final = FRAME_HEADER.size + TRAIN_HEADER_BYTES  # bytes of a frame besides the body of its only train
_REST_OF_HEADER: Final = TRAIN_HEADER_BYTES - _WORD_OFFSET


class FlowOrder:
    """The sender's memory: in which frame each flow bucket left last."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = [0] * BUCKETS  # counters

    def restart(self) -> None:
        """Starts counting anew: frames are sealed under another keypair from now on."""
        self._last = [0] * BUCKETS

    def distance(self, counter: int, plain: memoryview) -> int:
        """Notes the trains in a data frame and returns the field of its header, before it is sealed."""
        more = len(plain) - _ONE_TRAIN
        if more < 0:
            return 0
        (word,) = _unpack_word(plain, _FIRST_WORD)
        last, bucket = self._last, word >> 24
        nearest, last[bucket] = last[bucket], counter
        if word & LENGTH_MASK != more:
            nearest = max(
                nearest, self._nearest_of_rest(counter, plain, _FIRST_WORD + TRAIN_HEADER_BYTES + (word & LENGTH_MASK))
            )
        distance = counter - nearest
        return distance if nearest and distance <= DISTANCE_CEILING else 0

    def _nearest_of_rest(self, counter: int, plain: memoryview, position: int) -> int:
        last, nearest = self._last, 0
        end = len(plain) - _REST_OF_HEADER
        while position <= end:
            (word,) = _unpack_word(plain, position)
            bucket = word >> 24
            if nearest < last[bucket] < counter:
                nearest = last[bucket]
            last[bucket] = counter
            position += TRAIN_HEADER_BYTES + (word & LENGTH_MASK)
        return nearest
