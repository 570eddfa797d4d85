"""Reassembles long frames from chunks; one `Reassembly` per keypair, one `PartialBudget` per node.

Chunks are not authenticated singly, only the seal of the whole frame is. Their tag keeps out who has not seen a chunk of the
same frame. Whoever has may forge others, which may cost that frame, never more: nothing is allocated without an acceptable
counter and its tag, every byte held is charged with its overhead, and the oldest partial frame gives way, under the keypair and
in the node.

The usual burst, one whole frame in consecutive chunks, is unfolded in the receive buffer. Of any other one each run of
consecutive chunks is copied to its place in a block like that, as a whole if they are cut as the frame was.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import Final

from mycelium.limits import (
    PARTIAL_BYTES_PER_KEYPAIR,
    PARTIAL_BYTES_PER_NODE,
    PARTIAL_FRAMES_PER_KEYPAIR,
)
from mycelium.link.counters import LinkCounters
from mycelium.link.dispersion import Dispersion
from mycelium.link.fold import ROW, Folding, Shape, folded_bytes, is_possible, place_of
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, CHUNK_OFFSET_MASK, CHUNK_TAG_SHIFT, FOLDED_BYTES_MASK
from mycelium.wire.frame import WHOLE_FRAME

FRAME_OVERHEAD: Final = 512  # bytes charged for a partial frame besides its block
HOLE_OVERHEAD: Final = 128  # bytes charged for each run of bytes that is missing in it

_HEAD: Final = struct.Struct("!I20s")  # type << 24 | offset, and what is the same in all chunks of a frame
_RECEIVER: Final = struct.Struct("!I16x")
_TAGGED: Final = slice(16, 20)  # where a chunk has its tag

Frame = tuple[int, memoryview]  # counter, the sealed frame


class PartialFrame:
    """What has come of one frame, in `block` as in its datagrams; what is missing, from `starts[i]` to `ends[i]`, ascending."""

    __slots__ = (
        "began_at",
        "block",
        "charge",
        "counter",
        "ends",
        "first_bytes",
        "held",
        "is_in_order",
        "is_stale",
        "shape",
        "starts",
        "total",
    )

    def __init__(self, counter: int, shape: Shape, first_bytes: int, began_at: float) -> None:
        self.counter = counter
        self.shape = shape
        self.total = shape[0]
        self.first_bytes = first_bytes  # that arrived at `began_at`
        self.began_at = began_at
        self.is_in_order = True
        self.starts = [0]
        self.ends = [self.total]
        self.block = memoryview(bytearray(folded_bytes(shape)))
        self.held = 0
        self.charge = FRAME_OVERHEAD + HOLE_OVERHEAD + len(self.block)
        self.is_stale = False

    def insert(self, start: int, end: int, chunks: memoryview, size: int) -> int:
        """Fills in datagrams of `size` bytes that bring `start` to `end`; bytes held already stay.

        Returns the growth of `charge`.
        """
        before, room = self.charge, self.shape[1]
        self.is_in_order &= start == self.held
        filled = self._claim(start, end)
        is_cut_alike = start % room == 0 and (size == room + ROW or len(chunks) <= min(size, room + ROW))
        if is_cut_alike and filled == [(start, end)]:
            at = place_of(start, room) - ROW
            self.block[at : at + len(chunks)] = chunks
        else:
            for first, stop in filled:
                self._copy(first, stop, start, chunks, size)
        return self.charge - before

    def missing(self) -> list[tuple[int, int]]:
        """Returns what is missing, in order: (first byte, end)."""
        return list(zip(self.starts, self.ends, strict=True))

    def _claim(self, start: int, end: int) -> list[tuple[int, int]]:
        """Returns what was missing between `start` and `end`, and is no longer."""
        starts, ends = self.starts, self.ends
        first, stop = bisect_right(ends, start), bisect_left(starts, end)
        if stop == first + 1 and starts[first] <= start and end <= ends[first]:
            filled = [(start, end)]
        else:
            holes = zip(starts[first:stop], ends[first:stop], strict=True)
            filled = [(max(hole, start), min(to, end)) for hole, to in holes]
        if filled:
            before, after = starts[first] < start, ends[stop - 1] > end  # whether some of the first and last hole stays
            last = ends[stop - 1]
            starts[first:stop] = [starts[first]] * before + [end] * after
            ends[first:stop] = [start] * before + [last] * after
            self.charge += (before + after - len(filled)) * HOLE_OVERHEAD
            self.held += sum([to - hole for hole, to in filled])
        return filled

    def _copy(self, first: int, stop: int, start: int, chunks: memoryview, size: int) -> None:
        """Copies from `first` to `stop` out of datagrams of `size` bytes that begin with `start` and are cut anyhow."""
        room, step = self.shape[1], size - ROW
        while first < stop:
            number, within = divmod(first - start, step)
            length = min(stop - first, step - within, room - first % room)
            at, source = place_of(first, room), number * size + ROW + within
            self.block[at : at + length] = chunks[source : source + length]
            first += length


class PartialBudget:
    """The partial frames of a whole node, at most PARTIAL_BYTES_PER_NODE; the oldest gives way."""

    __slots__ = ("_owners", "held_bytes")

    def __init__(self) -> None:
        self._owners: dict[PartialFrame, Reassembly] = {}  # oldest first
        self.held_bytes = 0

    def add(self, frame: PartialFrame, owner: "Reassembly") -> None:
        """Takes a new partial frame into account."""
        self._owners[frame] = owner
        self.held_bytes += frame.charge

    def remove(self, frame: PartialFrame) -> None:
        """Gives back all that `frame` was charged with."""
        del self._owners[frame]
        self.held_bytes -= frame.charge

    def shrink(self) -> None:
        """Evicts the oldest frames of any keypair until the rest is within the bound."""
        while self.held_bytes > PARTIAL_BYTES_PER_NODE:
            frame, owner = next(iter(self._owners.items()))
            owner.evict(frame)


class Reassembly:
    """Collects the chunks that arrive under one keypair.

    `is_acceptable` tells whether a frame of this counter could still be opened: the keypair's replay window. `tag_of` returns
    the tag of its chunks.
    """

    __slots__ = (
        "_budget",
        "_folding",
        "_head",
        "_is_acceptable",
        "_partial",
        "_receiver",
        "_tag_of",
        "arrived_at",
        "counters",
        "dispersion",
        "held_bytes",
    )

    def __init__(
        self,
        receiver: int,
        is_acceptable: Callable[[int], bool],
        tag_of: Callable[[int], int],
        budget: PartialBudget,
        counters: LinkCounters,
    ) -> None:
        self._receiver = receiver
        self._is_acceptable = is_acceptable
        self._tag_of = tag_of
        self._budget = budget
        self._folding = Folding()
        self._head = _HEAD  # of datagrams of the size that `_heads_of` saw last, with the rest of them
        self._partial: dict[int, PartialFrame] = {}  # by counter, oldest first
        self.arrived_at = 0.0  # when the burst that is added next arrived at this host
        self.held_bytes = 0
        self.dispersion = Dispersion()
        self.counters = counters

    def add_burst(self, burst: memoryview, segment_size: int) -> tuple[list[Frame], list[memoryview]]:
        """Takes a burst of datagrams of `segment_size` bytes, the last one perhaps shorter.

        Returns the frames that it completed and the datagrams that are not chunks under this keypair, both perhaps as views of
        it. A burst that may be written to is left changed.
        """
        segment_size = min(segment_size, len(burst))
        if segment_size <= ROW:
            return [], [burst[at : at + segment_size] for at in range(0, len(burst), segment_size or 1)]
        whole = self._unfold(burst, segment_size)
        if whole is not None:
            return [whole], []
        if self._folding.is_run(burst, segment_size, self._receiver):
            frame = self._add_run(burst, segment_size)
            return ([] if frame is None else [frame]), []
        return self._add_mixed(burst, segment_size)

    def _add_mixed(self, burst: memoryview, segment_size: int) -> tuple[list[Frame], list[memoryview]]:
        tail = len(burst) % segment_size
        cut = len(burst) - (tail if tail <= ROW else 0)  # a stub of a datagram at the end is no chunk
        words, rests = self._heads_of(burst[:cut], segment_size)
        frames: list[Frame] = []
        odd: list[memoryview] = []
        for first, end in _split_into_runs(words, rests, segment_size - ROW):
            chunks = burst[first * segment_size : min(end * segment_size, cut)]
            if words[first] >> 24 != CHUNK or _RECEIVER.unpack_from(rests[first]) != (self._receiver,):
                odd += [chunks[at : at + segment_size] for at in range(0, len(chunks), segment_size)]
                continue
            frame = self._unfold(chunks, segment_size) or self._add_run(chunks, segment_size)
            if frame is not None:
                frames.append(frame)
        if cut < len(burst):
            odd.append(burst[cut:])
        return frames, odd

    def _unfold(self, chunks: memoryview, size: int) -> Frame | None:
        """Returns a frame that lies whole where it was received; None if that is anything else."""
        whole = self._folding.unfold(chunks, size, self._receiver)
        if whole is not None:
            if self._partial and int.from_bytes(chunks[_TAGGED], "big") >> CHUNK_TAG_SHIFT == self._tag_of(whole[0]):
                self.forget(whole[0])
            if self.dispersion.in_a_row:
                self.dispersion.arrived_soon(len(whole[1]))
        return whole

    def _heads_of(self, burst: memoryview, size: int) -> tuple[Sequence[int], Sequence[bytes]]:
        """Returns what stands in the heads of datagrams of `size` bytes: first words, and what is the same in one frame."""
        if self._head.size != size:
            self._head = struct.Struct(f"!I20s{size - ROW}x")
        end = len(burst) // size * size
        heads = [*self._head.iter_unpack(burst[:end])]
        if end < len(burst):
            heads.append(_HEAD.unpack_from(burst, end))
        words, rests = zip(*heads, strict=True)
        return words, rests

    def started(self) -> Collection[int]:
        """Returns the counters of the partial frames."""
        return self._partial.keys()

    def missing(self, counter: int) -> list[tuple[int, int]]:
        """Returns what is missing of a frame: (first byte, end); all of it where nothing has arrived."""
        frame = self._partial.get(counter)
        return [(0, WHOLE_FRAME)] if frame is None else frame.missing()

    def forget(self, counter: int) -> None:
        """Drops what has arrived again of a frame that is open by now."""
        frame = self._partial.get(counter)
        if frame is not None:
            self._remove(frame)

    def sweep(self) -> None:
        """Drops the partial frames that were there at the previous sweep; to be called every second or so."""
        for frame in list(self._partial.values()):
            if frame.is_stale:
                self.evict(frame)
            frame.is_stale = True

    def close(self) -> None:
        """Gives everything back: the keypair is gone."""
        for frame in list(self._partial.values()):
            self._remove(frame)

    def evict(self, frame: PartialFrame) -> None:
        """Drops one of the partial frames, for lack of room."""
        self._remove(frame)
        self.counters.frames_incomplete += 1

    def _add_run(self, chunks: memoryview, size: int) -> Frame | None:
        """Takes datagrams of `size` bytes that follow one another in one frame; returns that if it is complete."""
        word, _, counter, tagged, room, pad = CHUNK_HEAD.unpack_from(chunks)
        shape, tag = (tagged & FOLDED_BYTES_MASK, room, pad), tagged >> CHUNK_TAG_SHIFT
        count = -(-len(chunks) // size)
        start = word & CHUNK_OFFSET_MASK
        end = start + len(chunks) - count * ROW
        frame = self._partial.get(counter)
        if (
            not is_possible(shape)
            or end > shape[0]
            or tag != self._tag_of(counter)
            or (frame is not None and frame.shape != shape)
            or (frame is None and not self._is_acceptable(counter))
        ):
            self.counters.chunks_refused += count
            return None
        if frame is None:
            frame = self._open_partial(counter, shape, end - start)
        growth = frame.insert(start, end, chunks, size)
        self.held_bytes += growth
        self._budget.held_bytes += growth
        if not frame.starts:
            self._remove(frame)
            if frame.is_in_order:  # else something was lost
                total = shape[0]
                self.dispersion.arrived(total, total - frame.first_bytes, self.arrived_at - frame.began_at)
            return counter, self._folding.straighten(frame.block, shape)
        self._shrink()
        return None

    def _open_partial(self, counter: int, shape: Shape, first_bytes: int) -> PartialFrame:
        frame = self._partial[counter] = PartialFrame(counter, shape, first_bytes, self.arrived_at)
        self.held_bytes += frame.charge
        self._budget.add(frame, self)
        return frame

    def _remove(self, frame: PartialFrame) -> None:
        del self._partial[frame.counter]
        self.held_bytes -= frame.charge
        self._budget.remove(frame)

    def _shrink(self) -> None:
        while len(self._partial) > PARTIAL_FRAMES_PER_KEYPAIR or self.held_bytes > PARTIAL_BYTES_PER_KEYPAIR:
            self.evict(next(iter(self._partial.values())))
        self._budget.shrink()


def _split_into_runs(words: Sequence[int], rests: Sequence[bytes], step: int) -> list[tuple[int, int]]:
    """Returns (first, end) of each run of chunks of `step` bytes that follow one another in one frame."""
    count = len(words)
    borders = [at for at, (one, other) in enumerate(pairwise(words), 1) if other != one + step]
    if rests.count(rests[0]) < count:
        borders = sorted({*borders, *(at for at, (one, other) in enumerate(pairwise(rests), 1) if other != one)})
    return list(pairwise([0, *borders, count]))


assert _HEAD.size == CHUNK_HEAD.size == ROW
assert _RECEIVER.size == ROW - 4
