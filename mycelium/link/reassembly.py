"""Reassembles long frames from chunks; one `Reassembly` per keypair, one `PartialBudget` per node.

Chunks are not authenticated singly, only the seal of the whole frame is. Their tag keeps out who has not seen a chunk of the
same frame. Whoever has may forge others, which may cost that frame, never more: nothing is allocated without an acceptable
counter and its tag, every byte held is charged with its overhead, and the oldest partial frame gives way, under the keypair and
in the node.

The usual burst, one whole frame in consecutive chunks, is unfolded in the receive buffer. A partial frame is held as runs of
consecutive chunks of the folded frame, in order and without overlap.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from typing import Final

from mycelium.limits import (
    PARTIAL_BYTES_PER_KEYPAIR,
    PARTIAL_BYTES_PER_NODE,
    PARTIAL_FRAMES_PER_KEYPAIR,
)
from mycelium.link.counters import LinkCounters
from mycelium.link.dispersion import Dispersion
from mycelium.link.fold import Folding, Shape, is_possible, unfolded
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, CHUNK_OFFSET_MASK, CHUNK_TAG_SHIFT, FOLDED_BYTES_MASK
from mycelium.wire.frame import WHOLE_FRAME

FRAME_OVERHEAD: Final = 512  # bytes charged for a partial frame besides what it holds
RUN_OVERHEAD: Final = 128  # bytes charged for each run of chunks in it

_WORD: Final = struct.Struct("!I")  # type << 24 | offset
_REST: Final = struct.Struct("!IQIHBx")  # receiver, counter, tag and shape: the same in all chunks of a frame
_TAGGED: Final = slice(16, 20)  # where a chunk has its tag
_REST_BYTES: Final = slice(_WORD.size, CHUNK_HEAD.size)

Frame = tuple[int, bytes | memoryview]  # counter, the sealed frame


class PartialFrame:
    """Some runs of one frame: `starts` ascending, `runs[i]` the bytes from `starts[i]`, none overlapping another."""

    __slots__ = (
        "began_at",
        "charge",
        "counter",
        "first_bytes",
        "held",
        "is_in_order",
        "is_stale",
        "runs",
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
        self.starts: list[int] = []
        self.runs: list[bytes] = []
        self.held = 0
        self.charge = FRAME_OVERHEAD
        self.is_stale = False

    def insert(self, start: int, data: bytes) -> int:
        """Fills in `data`, which lies within the frame; bytes held already stay. Returns the growth of `charge`."""
        before = self.charge
        self.is_in_order &= start == self.held
        end = start + len(data)
        position = start
        index = bisect_right(self.starts, start)
        if index:
            position = max(position, self.starts[index - 1] + len(self.runs[index - 1]))
        while position < end:
            is_last = index == len(self.starts)
            gap_end = end if is_last else min(end, self.starts[index])
            if position < gap_end:
                self._put(index, position, data[position - start : gap_end - start])
                index += 1
            if is_last:
                break
            position = self.starts[index] + len(self.runs[index])
            index += 1
        return self.charge - before

    def missing(self) -> list[tuple[int, int]]:
        """Returns what is missing, in order: (first byte, end)."""
        ends = [start + len(run) for start, run in zip(self.starts, self.runs, strict=True)]
        between = zip([0, *ends], [*self.starts, self.total], strict=True)
        return [(start, end) for start, end in between if start < end]

    def _put(self, index: int, start: int, run: bytes) -> None:
        self.starts.insert(index, start)
        self.runs.insert(index, run)
        self.held += len(run)
        self.charge += len(run) + RUN_OVERHEAD


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
        "_is_acceptable",
        "_partial",
        "_receiver",
        "_segment",
        "_segment_size",
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
        self._partial: dict[int, PartialFrame] = {}  # by counter, oldest first
        self._segment_size = 0
        self._segment = _WORD
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
        if segment_size <= CHUNK_HEAD.size:
            return [], [burst[at : at + segment_size] for at in range(0, len(burst), segment_size or 1)]
        whole = self._folding.unfold(burst, segment_size, self._receiver)
        if whole is not None:
            if self._partial and int.from_bytes(burst[_TAGGED], "big") >> CHUNK_TAG_SHIFT == self._tag_of(whole[0]):
                self.forget(whole[0])
            self.dispersion.in_a_row = 0
            return [whole], []
        if segment_size != self._segment_size:
            self._segment_size = segment_size
            self._segment = struct.Struct(f"!I{_REST.size}s{segment_size - CHUNK_HEAD.size}s")
        cut = len(burst) - len(burst) % segment_size
        words, rests, payloads = zip(*self._segment.iter_unpack(burst[:cut]), strict=True)
        tail = burst[cut:]
        if len(tail) > CHUNK_HEAD.size:
            words += _WORD.unpack_from(tail)
            rests += (tail[_REST_BYTES],)
            payloads += (tail[CHUNK_HEAD.size :],)
            tail = tail[:0]
        frames: list[Frame] = []
        odd: list[memoryview] = []
        for first, end in _split_into_runs(words, rests, payloads):
            receiver, counter, tagged, room, pad = _REST.unpack(rests[first])
            if receiver != self._receiver or words[first] >> 24 != CHUNK:
                odd += [burst[at * segment_size : (at + 1) * segment_size] for at in range(first, end)]
                continue
            offset = words[first] & CHUNK_OFFSET_MASK
            shape, tag = (tagged & FOLDED_BYTES_MASK, room, pad), tagged >> CHUNK_TAG_SHIFT
            frame = self._add_run(counter, shape, tag, offset, payloads[first:end])
            if frame is not None:
                frames.append((counter, frame))
        if tail:
            odd.append(tail)
        return frames, odd

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

    def _add_run(
        self, counter: int, shape: Shape, tag: int, start: int, payloads: Sequence[bytes | memoryview]
    ) -> bytes | None:
        data, total = b"".join(payloads), shape[0]
        frame = self._partial.get(counter)
        if (
            not is_possible(shape)
            or start + len(data) > total
            or tag != self._tag_of(counter)
            or (frame is not None and frame.shape != shape)
            or (frame is None and not self._is_acceptable(counter))
        ):
            self.counters.chunks_refused += len(payloads)
            return None
        if frame is None:
            if len(data) == total:
                self.dispersion.in_a_row = 0
                return unfolded(data, shape)
            frame = self._open_partial(counter, shape, len(data))
        growth = frame.insert(start, data)
        self.held_bytes += growth
        self._budget.held_bytes += growth
        if frame.held == total:
            self._remove(frame)
            if frame.is_in_order:  # else something was lost
                self.dispersion.arrived(total, total - frame.first_bytes, self.arrived_at - frame.began_at)
            return unfolded(b"".join(frame.runs), shape)
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


def _split_into_runs(
    words: Sequence[int], rests: Sequence[bytes | memoryview], payloads: Sequence[bytes | memoryview]
) -> list[tuple[int, int]]:
    """Returns (first, end) of each run of chunks that follow one another in one frame."""
    count = len(words)
    step = len(payloads[0])
    if rests.count(rests[0]) == count and words == tuple(range(words[0], words[0] + count * step, step)):
        return [(0, count)]
    borders = [
        at for at in range(1, count) if words[at] != words[at - 1] + len(payloads[at - 1]) or rests[at] != rests[at - 1]
    ]
    return list(zip([0, *borders], [*borders, count], strict=True))


assert _WORD.size + _REST.size == CHUNK_HEAD.size
