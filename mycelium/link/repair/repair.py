"""What one link does about its losses: it asks the neighbour for what is missing, and answers the same question.

opened frames -> gaps -> a request (`wire.frame`, repair) -> sealed frames that were kept -> the same datagrams again
"""

from collections.abc import Callable, Sequence
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import REPAIR_BYTES_PER_NODE, REPAIRS_AT_ONCE, REPAIRS_PER_FRAME
from mycelium.link.counters import LinkCounters
from mycelium.link.fold import ROW, place_of, unfolded_shape
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.path import Path
from mycelium.link.repair.flow_order import FlowOrder
from mycelium.link.repair.gaps import Range
from mycelium.link.repair.sent_frames import Piece, SentFrames
from mycelium.outbox import Outbox
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_TAG_SHIFT, CHUNK_WORD, FRAME_HEAD, FRAME_WORD
from mycelium.wire.frame import FRAME_HEADER, REPAIR_HEAD, REPAIR_RANGE, WHOLE_FRAME

_DATAGRAMS_PER_TRANSMIT: Final = 40  # one UDP_SEGMENT call carries them
_HEAD_BYTES: Final = FRAME_HEAD.size
VANISHED: Final = 3  # datagrams in a row, or whole frames: more than ordinary loss takes at once


class RepairBudgets:
    """What a node holds for repair, as receiver and as sender."""

    __slots__ = ("held", "sent")

    def __init__(self) -> None:
        self.held = ByteBudget(REPAIR_BYTES_PER_NODE)
        self.sent = ByteBudget(REPAIR_BYTES_PER_NODE)


class Repair:
    """Requests and answers of one link. What is missing is known to the `Gaps` of each keypair."""

    __slots__ = ("_counters", "_newest", "_outbox", "_unasked", "order", "sent")

    def __init__(self, budgets: RepairBudgets, counters: LinkCounters, outbox: Outbox) -> None:
        self.order = FlowOrder()
        self.sent = SentFrames(budgets.sent, counters)
        self._counters = counters
        self._outbox = outbox
        self._newest = 0  # frame sent before the last request
        self._unasked = REPAIRS_AT_ONCE  # times that the neighbour may ask for frames

    def restart_counters(self) -> None:
        """Starts counting anew: frames are sealed under another keypair from now on."""
        self.order.restart()
        self.sent.clear()
        self._newest = 0

    def request(
        self, keypair: LinkKeypair, *, srtt: float | None, room: int, released: list[memoryview], now: float
    ) -> memoryview | None:
        """Returns a frame of at most `room` bytes that asks for what is due; frames that waited in vain go to `released`."""
        limit = (room - FRAME_HEADER.size - REPAIR_HEAD.size) // REPAIR_RANGE.size
        missing = keypair.reassembly.missing
        ranges = keypair.gaps.take_due(missing, srtt=srtt, limit=limit, released=released, now=now)
        if not ranges:
            return None
        head = bytes(FRAME_HEADER.size) + REPAIR_HEAD.pack(keypair.local_index)
        return memoryview(bytearray(head + b"".join(REPAIR_RANGE.pack(*wanted) for wanted in ranges)))

    def answer(self, body: memoryview, path: Path, keypair: LinkKeypair, *, now: float) -> int:
        """Takes the body of a request for frames that were sealed under `keypair`; returns how many bytes leave."""
        ranges = body[REPAIR_HEAD.size :]
        if len(body) < REPAIR_HEAD.size or len(ranges) % REPAIR_RANGE.size:
            self._counters.frames_malformed += 1
            return 0
        receiver = keypair.remote_index
        if REPAIR_HEAD.unpack_from(body)[0] != receiver:  # of a keypair that is no longer in use
            return 0
        newest = keypair.sealing.counter - 1
        wanted = list(REPAIR_RANGE.iter_unpack(ranges))
        if has_vanished(wanted, path.mtu.size):
            path.mtu.verify(pto_s=path.rtt.pto, is_urgent=True, now=now)
        self._unasked = min(self._unasked + REPAIRS_PER_FRAME * (newest - self._newest), REPAIRS_AT_ONCE)
        self._unasked -= len({counter for counter, _, _ in wanted})
        self._newest = newest
        pieces = self.sent.answer(wanted, newest=newest, now=now)
        groups = grouped(pieces, receiver, path.mtu.size, keypair.sent_tags.of)
        for datagrams in groups:
            self._outbox.transmits.append((path.endpoint, datagrams, len(datagrams[0]), True, 0))
        return sum(len(datagram) for datagrams in groups for datagram in datagrams)

    def is_asked_too_much(self) -> bool:
        """Tells whether the neighbour has asked for far more than was sent lately."""
        if self._unasked >= 0:
            return False
        self._unasked = 0
        return True

    def take_excused(self) -> int:
        """Returns how many frames without data the neighbour has asked for since the last call."""
        excused, self.sent.excused = self.sent.excused, 0
        return excused


def has_vanished(ranges: Sequence[Range], size: int) -> bool:
    """Tells whether perhaps all datagrams of `size` bytes are lost. The last one of a frame may be short, and has arrived."""
    whole = sum(end == WHOLE_FRAME for _, _, end in ranges)
    return whole >= VANISHED or any(
        end - start > (VANISHED - 1) * size and end != WHOLE_FRAME for _, start, end in ranges
    )


def grouped(
    pieces: list[Piece], receiver: int, size: int, tag_of: Callable[[int], int]
) -> list[list[bytes | memoryview]]:
    """Cuts pieces of frames into datagrams of at most `size` bytes.

    Returns groups of them, all of one length but the last of a group, which may be shorter.
    """
    groups: list[list[bytes | memoryview]] = []
    room = 0  # bytes of the datagram that the newest group may take next
    for datagram in _datagrams(pieces, receiver, size, tag_of):
        length = len(datagram)
        if length > room:
            groups.append([])
            room = length
        groups[-1].append(datagram)
        if length < room or len(groups[-1]) == _DATAGRAMS_PER_TRANSMIT:
            room = 0
    return groups


def _datagrams(pieces: list[Piece], receiver: int, size: int, tag_of: Callable[[int], int]) -> list[bytes]:
    datagrams: list[bytes] = []
    whole = 0
    for counter, body, shape, start, end in pieces:
        if shape is None and _HEAD_BYTES + len(body) <= size:
            if counter != whole:  # one datagram holds all that is missing of it
                datagrams.append(FRAME_HEAD.pack(FRAME_WORD, receiver, counter) + body)
            whole = counter
            continue
        if shape is None:  # the path carries less than when it was sent
            shape = unfolded_shape(len(body))
            end = shape[0] if end == len(body) else end
            body = bytes(ROW) + body.ljust(shape[0], b"\0")
        total, room, pad = shape
        tagged = tag_of(counter) << CHUNK_TAG_SHIFT | total
        while start < end:
            length = min(size - ROW, room - start % room, end - start)
            at = place_of(start, room)
            head = CHUNK_HEAD.pack(CHUNK_WORD | start, receiver, counter, tagged, room, pad)
            datagrams.append(head + body[at : at + length])
            start += length
    return datagrams
