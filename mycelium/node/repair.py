"""What one link does about its losses: asks the neighbour for what is missing, answers when it is asked.

opened frames -> holes -> a request (`wire.frame`, repair) -> sealed frames that were kept -> the same datagrams again
"""

from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import REPAIR_BYTES_PER_NODE
from mycelium.node.flow_order import FlowOrder
from mycelium.node.holes import Holes
from mycelium.node.outbox import Transmit
from mycelium.node.reassembly import Reassembly
from mycelium.node.repair_budget import RepairBudget
from mycelium.node.sent_frames import Piece, SentFrames
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_WORD, FRAME_HEAD, FRAME_WORD
from mycelium.wire.frame import FRAME_HEADER, REPAIR_HEAD, REPAIR_RANGE

_DATAGRAMS_PER_TRANSMIT: Final = 40  # one UDP_SEGMENT call carries them
_HEAD_BYTES: Final = FRAME_HEAD.size


class RepairBudgets:
    """What a node holds for repair, as receiver and as sender."""

    __slots__ = ("held", "sent")

    def __init__(self) -> None:
        self.held = RepairBudget(REPAIR_BYTES_PER_NODE)
        self.sent = RepairBudget(REPAIR_BYTES_PER_NODE)


class Repair:
    """The sender's half of one link; the receiver's is in `Holes`, one for each session."""

    __slots__ = ("malformed", "order", "sent")

    def __init__(self, budgets: RepairBudgets) -> None:
        self.order = FlowOrder()
        self.sent = SentFrames(budgets.sent)
        self.malformed = 0

    def restart_counters(self) -> None:
        """Frames are sealed with other keys from now on, and count from the start again."""
        self.order.restart()
        self.sent.clear()

    def answer(
        self, body: memoryview, endpoint: Endpoint, *, receiver: int, newest: int, size: int, now: float
    ) -> list[Transmit]:
        """Takes the body of a request for frames sealed for index `receiver`, up to counter `newest`.

        Returns what to send to `endpoint`, in datagrams of at most `size` bytes.
        """
        ranges = body[REPAIR_HEAD.size :]
        if len(body) < REPAIR_HEAD.size or len(ranges) % REPAIR_RANGE.size:
            self.malformed += 1
            return []
        if REPAIR_HEAD.unpack_from(body)[0] != receiver:  # of keys that are no more in use
            return []
        pieces = self.sent.answer(REPAIR_RANGE.iter_unpack(ranges), newest=newest, now=now)
        return [(endpoint, datagrams, size) for datagrams in grouped(pieces, receiver, size)]


def request(
    holes: Holes,
    reassembly: Reassembly,
    *,
    index: int,
    srtt: float | None,
    room: int,
    now: float,
    released: list[memoryview],
) -> memoryview | None:
    """Returns a frame that asks for what is due, at most `room` bytes with its header; frames given up go to `released`."""
    limit = (room - FRAME_HEADER.size - REPAIR_HEAD.size) // REPAIR_RANGE.size
    ranges = holes.take_due(reassembly.gaps, now=now, srtt=srtt, limit=limit, released=released)
    if not ranges:
        return None
    head = bytes(FRAME_HEADER.size) + REPAIR_HEAD.pack(index)
    return memoryview(bytearray(head + b"".join(REPAIR_RANGE.pack(*wanted) for wanted in ranges)))


def grouped(pieces: list[Piece], receiver: int, size: int) -> list[list[bytes | memoryview]]:
    """Cuts pieces of frames into datagrams; returns groups of them, all `size` bytes long but the last of a group."""
    groups: list[list[bytes | memoryview]] = []
    has_room = False
    for datagram in _datagrams(pieces, receiver, size):
        if not has_room:
            groups.append([])
        groups[-1].append(datagram)
        has_room = len(datagram) == size and len(groups[-1]) < _DATAGRAMS_PER_TRANSMIT
    return groups


def _datagrams(pieces: list[Piece], receiver: int, size: int) -> list[bytes]:
    datagrams: list[bytes] = []
    room = size - CHUNK_HEAD.size
    for counter, sealed, start, end in pieces:
        total = len(sealed)
        if _HEAD_BYTES + total <= size:
            datagrams.append(FRAME_HEAD.pack(FRAME_WORD, receiver, counter) + sealed)
            continue
        for offset in range(start, end, room):
            head = CHUNK_HEAD.pack(CHUNK_WORD | offset, receiver, counter, total)
            datagrams.append(head + sealed[offset : min(offset + room, end)])
    return datagrams
