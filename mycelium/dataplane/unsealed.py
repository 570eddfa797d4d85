"""Trains for the neighbour itself: the seal of the frame is end to end, so they need none of their own.

The session is there all the same: it decides who is let in, and its counters tell replays, order and loss. Who sends one has
opened a train of the neighbour under the keypair, so an unsealed train confirms none; proofs of ML-DSA keys are owed to both.
The kind of the frame tells it from trains that the neighbour forwards, which anybody can have written.
"""

from typing import Final

from mycelium.link.frames import Frames
from mycelium.packet.batch import HEADROOM
from mycelium.session.session import QUOTED_BYTES, Session, SessionKeypair
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.frame import UNSEALED as UNSEALED_FRAME
from mycelium.wire.train import (
    ITEM_HEADER_BYTES,
    LENGTH_MASK,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    UNSEALED,
    TrainHeader,
)

CLASS_SHIFT: Final = 20  # of the traffic class in the first word of a packet
CLASS_MASK: Final = 0xFF
NOT_SEEN: Final = b""  # as the tag of a train that no relay can have seen

_HEADERS_BYTES: Final = FRAME_HEADER.size + TRAIN_HEADER_BYTES
_PACKET: Final = HEADROOM + ITEM_HEADER_BYTES  # where the first one is

# of packets in a row that share a train: version and traffic class, hop limit, destination
RunKey = tuple[int, int, bytes]


def is_sealed_enough(frames: Frames, keys: SessionKeypair) -> bool:
    """Tells whether packets for the neighbour may be unsealed: it takes them, uses the keypair, and owes the link no proof."""
    return frames.takes_unsealed and keys.opening.opened > 0 and frames.keypairs.sending.awaited is None


def send_unsealed(
    frames: Frames,
    session: Session,
    key: RunKey,
    plain: memoryview,
    bucket: int,
    source: bytes,
    *,
    now: float,
) -> None:
    """Sends the items behind the HEADROOM bytes of `plain`, where they lie, to the neighbour."""
    if frames.filled_bytes:
        frames.commit(now=now)  # what was sent before
    keys = session.sending
    assert keys is not None
    length = len(plain) - HEADROOM
    counter = keys.sealing.skip(length)
    traffic_class = key[0] & CLASS_MASK
    word = bucket << 24 | length
    head = (key[1], 0, UNSEALED, traffic_class, word, keys.remote_index, counter, session.peer, source)
    TRAIN_HEADER.pack_into(plain, FRAME_HEADER.size, *head)
    session.recent.append((counter, NOT_SEEN, bytes(plain[_PACKET : _PACKET + QUOTED_BYTES]), b""))
    frames.send(UNSEALED_FRAME, plain, traffic_class=traffic_class, now=now)


def unsealed_header(frame: memoryview, neighbour: bytes, own_address: bytes) -> TrainHeader | None:
    """Returns the header of the train in an unsealed frame; None unless that is one of the neighbour's for this node."""
    body_bytes = len(frame) - _HEADERS_BYTES
    if body_bytes < 0:
        return None
    header: TrainHeader = TRAIN_HEADER.unpack_from(frame, FRAME_HEADER.size)
    _, _, kind, _, word, _, _, destination, source = header
    is_ours = destination == own_address and source == neighbour and kind == UNSEALED
    return header if is_ours and word & LENGTH_MASK == body_bytes else None
