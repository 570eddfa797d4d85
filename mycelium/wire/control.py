"""Control messages, which neighbours exchange over the reliable control channel.

    0  1  type
    1  2  length of the body, L
    3  L  body

    type                body
    1 update            node (16), sequence (6), metric (4, units of 10 us; all ones is a retraction), optional announcement
    2 seqno request     node (16), sequence wanted (6), hops left (1)
    3 route request     node (16); all zeros requests the whole table
    4 digest            digest (16) of the table that the sender advertises to the receiver, number of its routes (4)
    5 observed          address and port at which the sender sees the receiver (`underlay_address.py`)
    6 lease request     `lease.py`
    7 lease answer      `lease.py`

    8 peers wanted      nothing
    9 known peers       where nodes can be dialled (`known_peer.py`), one after the other
    10 pin              node (16), home (16), whether the sender's way to the home leads over the receiver (1), home record
                        (`home_record.py`) of the node or nothing
    11 member proof     a piece of the sender's certificates (`membership.py`)
    12 removals         a piece of who is no member any more (`membership.py`)
    13 knock wanted     nonce (16) of the datagram that the receiver is to send (`knock.py`)
    14 resume           digest (16) and number (4) of the routes that the sender has kept of a receiver that was lost
    15 resumed          nothing

Messages of unknown types are skipped, and so are bytes after the fields of a request, digest or observed address, which later
versions may add.
After the fields of an update comes an announcement or nothing; an update with an announcement of another version is skipped.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError, OtherVersion
from mycelium.limits import CONTROL_MESSAGE_BYTES
from mycelium.wire.announcement import Announcement, decode_announcement, encode_announcement
from mycelium.wire.distance import FLIP, metric_of, sequence_of
from mycelium.wire.home_record import HomeRecord, decode_home_record, encode_home_record
from mycelium.wire.knock import KnockWanted
from mycelium.wire.known_peer import KnownPeer, decode_known_peers, encode_known_peers
from mycelium.wire.lease import (
    LeaseAnswer,
    LeaseRequest,
    decode_lease_answer,
    decode_lease_request,
    encode_lease_answer,
    encode_lease_request,
)
from mycelium.wire.membership import MEMBER_DECODERS, MemberPiece, encode_piece
from mycelium.wire.underlay_address import UnderlayAddress, underlay_address

ANY_NODE: Final = bytes(16)

_HEAD: Final = struct.Struct("!BH")
_UPDATE: Final = struct.Struct("!16s10s")  # sequence and metric are decoded as one integer
_SEQNO_REQUEST: Final = struct.Struct("!16s6sB")
_ROUTE_REQUEST: Final = struct.Struct("!16s")
_DIGEST: Final = struct.Struct("!16sI")
_PIN: Final = struct.Struct("!16s16s?")
_KNOCK_WANTED: Final = struct.Struct("!16s")


class Update(Struct, frozen=True, gc=False):
    """RFC 8966 Update: the sender's distance to `node`, packed (`distance.py`); a metric of INFINITY is a retraction.

    `announcement` is included if its sequence is new to the receiver.
    """

    node: bytes
    distance: int
    announcement: Announcement | None = None

    @property
    def sequence(self) -> int:
        """The sequence in the distance."""
        return sequence_of(self.distance)

    @property
    def metric(self) -> int:
        """The metric in the distance, units of 10 us."""
        return metric_of(self.distance)


class SeqnoRequest(Struct, frozen=True):
    """RFC 8966 Seqno Request for a route to `node` with `sequence` or a newer one."""

    node: bytes
    sequence: int
    hops: int


class RouteRequest(Struct, frozen=True):
    """RFC 8966 Route Request for one node, or for the whole table with ANY_NODE."""

    node: bytes


class Digest(Struct, frozen=True):
    """The digest and size of the table that the sender has advertised to the receiver."""

    digest: bytes
    routes: int


class Observed(Struct, frozen=True):
    """The underlay address at which the sender sees the receiver, behind whatever NAT there is."""

    address: UnderlayAddress


class PeersWanted(Struct, frozen=True):
    """The sender wants to know of other nodes, and agrees that they are told of it."""


class PeersKnown(Struct, frozen=True):
    """The answer: where neighbours of the sender are that have agreed."""

    peers: tuple[KnownPeer, ...]


class Pin(Struct, frozen=True):
    """The receiver is the sender's next hop towards the home of a node that is to be reached from there, or no longer.

    `record` is included if it is new to the receiver.
    """

    node: bytes
    home: bytes
    is_pinned: bool
    record: HomeRecord | None = None


class Resume(Struct, frozen=True):
    """The sender has kept what the receiver had told it before their link was lost."""

    kept: Digest


class Resumed(Struct, frozen=True):
    """What the receiver has kept is what the sender had told it; it counts as told again."""


_NotOfRoutes = (
    Observed
    | LeaseRequest
    | LeaseAnswer
    | PeersWanted
    | PeersKnown
    | Pin
    | MemberPiece
    | KnockWanted
    | Resume
    | Resumed
)
Item = Update | SeqnoRequest | RouteRequest | Digest | _NotOfRoutes


Encode = Callable[[Item], bytes]


def encode_item(item: Item) -> bytes:
    """Returns one control message."""
    match item:
        case Update():
            body = _UPDATE.pack(item.node, (item.distance ^ FLIP).to_bytes(10, "big"))
            if item.announcement is not None:
                body += encode_announcement(item.announcement)
            kind = 1
        case SeqnoRequest():
            kind, body = 2, _SEQNO_REQUEST.pack(item.node, item.sequence.to_bytes(6, "big"), item.hops)
        case RouteRequest():
            kind, body = 3, _ROUTE_REQUEST.pack(item.node)
        case Digest():
            kind, body = 4, _DIGEST.pack(item.digest, item.routes)
        case _:
            kind, body = _encode_other(item)
    return _HEAD.pack(kind, len(body)) + body


def _encode_other(item: _NotOfRoutes) -> tuple[int, bytes]:
    """Returns the type and the body of a message that is not about routes."""
    match item:
        case Observed():
            return 5, item.address.packed()
        case LeaseRequest():
            return 6, encode_lease_request(item)
        case LeaseAnswer():
            return 7, encode_lease_answer(item)
        case PeersWanted():
            return 8, b""
        case PeersKnown():
            return 9, encode_known_peers(item.peers)
        case Pin():
            record = b"" if item.record is None else encode_home_record(item.record)
            return 10, _PIN.pack(item.node, item.home, item.is_pinned) + record
        case KnockWanted():
            return 13, item.nonce
        case Resume():
            return 14, _DIGEST.pack(item.kept.digest, item.kept.routes)
        case Resumed():
            return 15, b""
    return encode_piece(item)


class ItemEncoder:
    """Encodes items, each once however many neighbours it goes to."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: dict[
            int, tuple[Item, bytes]
        ] = {}  # by identity; the item is kept, so that no other one gets it

    def __call__(self, item: Item) -> bytes:
        known = self._messages.get(id(item))
        if known is None:
            known = self._messages[id(item)] = item, encode_item(item)
        return known[1]


def decode_items(data: bytes) -> list[Item]:
    """Decodes control messages that fill `data`, skipping unknown types; raises DecodeError."""
    return [item for kind, body in _split(data) if (item := _decode_item(kind, body)) is not None]


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if len(data) - position < _HEAD.size:
            raise DecodeError("truncated head of a control message")
        kind, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        if length > CONTROL_MESSAGE_BYTES or position + length > len(data):
            raise DecodeError("wrong length of a control message")
        yield kind, data[position : position + length]
        position += length


def _decode_pin(body: bytes) -> Pin:
    record = body[_PIN.size :]
    node, home, is_pinned = _PIN.unpack_from(body)
    return Pin(node, home, is_pinned, decode_home_record(record) if record else None)


_DECODERS: Final[dict[int, Callable[[bytes], Item]]] = {
    5: lambda body: Observed(underlay_address(body)),
    6: decode_lease_request,
    7: decode_lease_answer,
    8: lambda body: PeersWanted(),
    9: lambda body: PeersKnown(decode_known_peers(body)),
    10: _decode_pin,
    13: lambda body: KnockWanted(*_KNOCK_WANTED.unpack_from(body)),
    14: lambda body: Resume(Digest(*_DIGEST.unpack_from(body))),
    15: lambda body: Resumed(),
    **MEMBER_DECODERS,
}


def _decode_item(kind: int, body: bytes) -> Item | None:
    try:
        match kind:
            case 1:
                node, packed = _UPDATE.unpack_from(body)
                rest = body[_UPDATE.size :]
                announcement = decode_announcement(rest) if rest else None
                return Update(node, int.from_bytes(packed, "big") ^ FLIP, announcement)
            case 2:
                node, sequence, hops = _SEQNO_REQUEST.unpack_from(body)
                return SeqnoRequest(node, int.from_bytes(sequence, "big"), hops)
            case 3:
                return RouteRequest(*_ROUTE_REQUEST.unpack_from(body))
            case 4:
                return Digest(*_DIGEST.unpack_from(body))
            case _:
                decode = _DECODERS.get(kind)
                return None if decode is None else decode(body)
    except OtherVersion:
        return None
    except struct.error as error:
        raise DecodeError(f"control message of type {kind} is too short") from error
