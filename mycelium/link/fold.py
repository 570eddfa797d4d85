"""Long frames as datagrams without a copy: heads are written into the sealed frame, and what stood there moves behind it.

    before   |        | row 0 .. q-2 | row q-1 | row q .. 2q-2 | row 2q-1 | ...  last row |
    after    |  head  | row 0 .. q-2 |  head   | row q .. 2q-2 |   head   | ...  last row | row q-1 | row 2q-1 ...

A row has the 24 bytes of a head, so a datagram of q rows is a head and q - 1 rows. What lies between the heads is the *folded*
frame. A burst of its datagrams is unfolded where it was received, and what came in parts where these were put together: the
rows move back, and the frame lies there in one piece. Rows move as three columns of 8 bytes, since a `memoryview` copies those
with one call for all rows.
"""

import struct
from typing import Final

from mycelium.limits import FRAME_PLAINTEXT
from mycelium.wire.datagram import (
    CHUNK_HEAD,
    CHUNK_OFFSET_MASK,
    CHUNK_TAG_SHIFT,
    CHUNK_WORD,
    FOLDED_BYTES_MASK,
    TAG_BYTES,
)

ROW: Final = CHUNK_HEAD.size
FOLDED_CEILING: Final = -(-(FRAME_PLAINTEXT + TAG_BYTES) // ROW) * ROW
UNFOLDED: Final = 0xFFFF // ROW * ROW  # as `room` of a frame that was sent as one datagram: nothing moves
_COLUMNS: Final = 3
_HEADS: Final = 64  # kept ready

_FIRST: Final = struct.Struct("!II")  # type << 24 | offset, receiver
_SECOND: Final = struct.Struct("!Q")  # counter
_THIRD: Final = struct.Struct("!IHBx")  # tag << 18 | folded bytes, room, pad

assert ROW == 8 * _COLUMNS == _FIRST.size + _SECOND.size + _THIRD.size

# folded bytes, bytes of it in each datagram but the last, bytes at the end of the frame that only fill its last row
Shape = tuple[int, int, int]


def shape_of(sealed_bytes: int, size: int) -> Shape:
    """Returns the shape of a sealed frame in datagrams of at most `size` bytes, at least 2 rows."""
    total = -(-sealed_bytes // ROW) * ROW
    return total, (size // ROW - 1) * ROW, total - sealed_bytes


def unfolded_shape(sealed_bytes: int) -> Shape:
    """Returns the shape of a sealed frame that fitted one datagram."""
    return shape_of(sealed_bytes, UNFOLDED + ROW)


def folded_bytes(shape: Shape) -> int:
    """Returns the bytes of all datagrams of a frame."""
    total, room, _ = shape
    return total - -total // room * ROW


class Folding:
    """Folds and unfolds the frames of one direction of a link."""

    __slots__ = ("_key", "_length", "_moves", "_moves_key", "_shape", "_words")

    def __init__(self) -> None:
        self._shape: Shape | None = None  # a possible one, of a frame that was unfolded
        self._length = 0  # bytes of all datagrams of `_shape`
        self._key: tuple[int, int] | None = None  # receiver and room of `_words`
        self._words = memoryview(b"").cast("Q")
        self._moves_key: tuple[int, int] | None = None  # folded bytes and room of `_moves`
        self._moves: list[tuple[slice, slice]] = []

    def fold(self, block: memoryview, shape: Shape, receiver: int, counter: int, tag: int) -> None:
        """Makes datagrams of `block`, as long as `folded_bytes` says, in which a sealed frame stands behind the first row."""
        total, room, pad = shape
        words, step = block.cast("Q"), room // 8 + _COLUMNS
        count = -(-total // room)
        for moved, holes in self._moves_of(total, room):
            words[moved] = words[holes]
        words[0::step] = self._first_words(receiver, room, 0, count)
        words[1::step] = memoryview(_SECOND.pack(counter) * count).cast("Q")
        words[2::step] = memoryview(_THIRD.pack(tag << CHUNK_TAG_SHIFT | total, room, pad) * count).cast("Q")

    def unfold(self, burst: memoryview, size: int, receiver: int) -> tuple[int, memoryview] | None:
        """Returns the counter and the sealed frame, inside `burst`, if that is the run of one whole frame; else None."""
        _, _, counter, total, room, pad = CHUNK_HEAD.unpack_from(burst)
        shape = total & FOLDED_BYTES_MASK, room, pad
        if shape != self._shape:
            if not is_possible(shape):
                return None
            self._shape, self._length = shape, folded_bytes(shape)
        if (
            len(burst) != self._length
            or size != room + ROW
            or burst.readonly
            or not self._has_heads(burst, size, receiver, 0)
        ):
            return None
        return counter, self.straighten(burst, shape)

    def is_run(self, burst: memoryview, size: int, receiver: int) -> bool:
        """Tells whether a burst is chunks that follow one another in one frame, cut as that was."""
        word, _, _, total, room, pad = CHUNK_HEAD.unpack_from(burst)
        offset, total = word & CHUNK_OFFSET_MASK, total & FOLDED_BYTES_MASK
        return (
            is_possible((total, room, pad))
            and size == room + ROW
            and not offset % room
            and offset < total
            and not len(burst) % 8
            and self._has_heads(burst, size, receiver, offset // room)
        )

    def _has_heads(self, burst: memoryview, size: int, receiver: int, first: int) -> bool:
        """Tells whether datagrams of `size` bytes have the first one's head, and the offsets from datagram `first` on."""
        words, step = burst.cast("Q"), size // 8
        count = -(-len(burst) // size)
        last = (count - 1) * step
        return (
            words[::step] == self._first_words(receiver, size - ROW, first, count)
            and words[step + 1 :: step] == words[1:last:step]  # each like the one before
            and words[step + 2 :: step] == words[2:last:step]
        )

    def straighten(self, block: memoryview, shape: Shape) -> memoryview:
        """Moves the rows of a frame back that lies in `block` as its datagrams; returns the sealed frame in it."""
        total, room, pad = shape
        words = block.cast("Q")
        for moved, holes in self._moves_of(total, room):
            words[holes] = words[moved]
        return block[ROW : ROW + total - pad]

    def _moves_of(self, total: int, room: int) -> list[tuple[slice, slice]]:
        if self._moves_key != (total, room):
            self._moves_key = total, room
            self._moves = _moves(total // ROW, room // ROW + 1)
        return self._moves

    def _first_words(self, receiver: int, room: int, first: int, count: int) -> memoryview:
        end = first + count
        if self._key != (receiver, room) or len(self._words) < end:
            self._key = receiver, room
            offsets = range(0, room * max(end, _HEADS), room)
            heads = b"".join(_FIRST.pack(CHUNK_WORD | offset, receiver) for offset in offsets)
            self._words = memoryview(heads).cast("Q")
        return self._words[first:end]


def is_possible(shape: Shape) -> bool:
    """Tells whether a frame can have this shape: strangers make up others."""
    total, room, pad = shape
    return 0 < total <= FOLDED_CEILING and room > 0 and pad < ROW and not total % ROW and not room % ROW


def place_of(offset: int, room: int) -> int:
    """Returns where a byte of a folded frame stands in its datagrams, which lie one behind the other."""
    return offset + (offset // room + 1) * ROW


def _moves(rows: int, per_datagram: int) -> list[tuple[slice, slice]]:
    """Returns what moves, as slices of words: where it stands in a folded frame, and in a sealed one."""
    moves: list[tuple[slice, slice]] = []
    hole, last, at = 1, rows // per_datagram, rows + 1
    step = per_datagram * _COLUMNS
    while hole <= last:
        if at % per_datagram == 0:  # a head stands there
            at += 1
        count = min(last - hole + 1, per_datagram - at % per_datagram)
        for column in range(_COLUMNS):
            start, hole_start = at * _COLUMNS + column, hole * step + column
            end, hole_end = start + (count - 1) * _COLUMNS + 1, hole_start + (count - 1) * step + 1
            moves.append((slice(start, end, _COLUMNS), slice(hole_start, hole_end, step)))
        hole += count
        at += count
    return moves
