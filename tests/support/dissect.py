"""Scapy layers of the protocol, for reading captures and failing tests: `dissect_datagram(data).show()`.

Sealed parts are shown as they are; what is in them, once opened, is read by `dissect_frame` and `dissect_items`. The layers are
written from docs/protocol.md and share no code with the codecs under test, and build what no codec would: malformed messages.
"""

from ipaddress import IPv6Address
from typing import Any, Final

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    FieldLenField,
    FlagsField,
    IntField,
    IP6Field,
    LongField,
    PacketListField,
    ShortField,
    StrField,
    ThreeBytesField,
    XIntField,
    XLongField,
    XStrField,
    XStrFixedLenField,
    XStrLenField,
)
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

_DATAGRAM_TYPES: Final = {
    0x10: "handshake 1",
    0x11: "handshake 2",
    0x12: "handshake 3",
    0x13: "cookie",
    0x14: "frame",
    0x15: "chunk",
    0x16: "size probe",
    0x17: "handshake part",
}
_SUITES: Final = ["AES-256-GCM", "ChaCha20-Poly1305"]
_FRAME_KINDS: Final = {1: "control", 2: "probe", 3: "data", 4: "close", 5: "repair", 6: "rate"}
_MESSAGE_TYPES: Final = {1: "update", 2: "seqno request", 3: "route request", 4: "digest"}
_TRAIN_TYPES: Final = {0: "data", 1: "session request", 2: "session reply", 3: "error"}
_ITEM_TYPES: Final = {0: "packet", 1: "report"}
_ANNOUNCEMENT_BYTES: Final = 114


class Layer(Packet):  # type: ignore[misc]
    """A layer of the protocol, which does not guess what follows it."""

    def guess_payload_class(self, payload: bytes) -> Any:
        return Raw


class Part(Layer):
    """A layer in a list: what follows belongs to the next layer."""

    def extract_padding(self, data: bytes) -> tuple[bytes, bytes]:
        return b"", data


# -- datagrams ---------------------------------------------------------------------------------------------------------


class Handshake1(Layer):
    name = "Handshake 1"
    fields_desc = [
        ByteEnumField("type", 0x10, _DATAGRAM_TYPES),
        ByteField("version", 1),
        FlagsField("suites", 3, 8, _SUITES),
        ByteField("flags", 0),
        XIntField("sender", 0),
        XStrFixedLenField("e", bytes(32), 32),
        XStrFixedLenField("e1", bytes(1184), 1184),
        XStrFixedLenField("mac_1", bytes(4), 4),
        XStrFixedLenField("mac_2", bytes(4), 4),
    ]


class Handshake2(Layer):
    name = "Handshake 2"
    fields_desc = [
        ByteEnumField("type", 0x11, _DATAGRAM_TYPES),
        ByteField("version", 1),
        FlagsField("suite", 1, 8, _SUITES),
        ByteField("flags", 0),
        XIntField("sender", 0),
        XIntField("receiver", 0),
        XStrFixedLenField("e", bytes(32), 32),
        XStrFixedLenField("ekem1", bytes(1104), 1104),
        XStrFixedLenField("s", bytes(48), 48),
        XStrFixedLenField("tag", bytes(16), 16),
    ]


class Handshake3(Layer):
    name = "Handshake 3"
    fields_desc = [
        ByteEnumField("type", 0x12, _DATAGRAM_TYPES),
        XStrFixedLenField("zeros", bytes(3), 3),
        XIntField("receiver", 0),
        XStrFixedLenField("s", bytes(48), 48),
        XStrFixedLenField("tag", bytes(16), 16),
    ]


class Cookie(Layer):
    name = "Cookie"
    fields_desc = [
        ByteEnumField("type", 0x13, _DATAGRAM_TYPES),
        XStrFixedLenField("zeros", bytes(3), 3),
        XIntField("receiver", 0),
        XStrFixedLenField("answered", bytes(4), 4),
        XStrFixedLenField("cookie", bytes(32), 32),
        XStrFixedLenField("mac", bytes(8), 8),
    ]


class Frame(Layer):
    name = "Frame"
    fields_desc = [
        ByteEnumField("type", 0x14, _DATAGRAM_TYPES),
        XStrFixedLenField("zeros", bytes(3), 3),
        XIntField("receiver", 0),
        LongField("counter", 1),
        XStrField("sealed", b""),
    ]


class SizeProbe(Layer):
    name = "SizeProbe"
    fields_desc = [
        ByteEnumField("type", 0x16, _DATAGRAM_TYPES),
        XStrFixedLenField("zeros", bytes(3), 3),
        XIntField("receiver", 0),
        LongField("counter", 1 << 63),
        XStrField("sealed", b""),
    ]


class HandshakePart(Layer):
    name = "Handshake part"
    fields_desc = [
        ByteEnumField("type", 0x17, _DATAGRAM_TYPES),
        ByteField("number", 0),
        ShortField("zeros", 0),
        XIntField("sender", 0),
        XStrField("content", b""),
    ]


class Chunk(Layer):
    name = "Chunk"
    fields_desc = [
        ByteEnumField("type", 0x15, _DATAGRAM_TYPES),
        ThreeBytesField("offset", 0),
        XIntField("receiver", 0),
        LongField("counter", 1),
        BitField("tag", 0, 14),
        BitField("total", 0, 18),
        ShortField("room", 1440),
        ByteField("pad", 0),
        ByteField("zero", 0),
        XStrField("sealed", b""),
    ]


_DATAGRAMS: Final[dict[int, type[Layer]]] = {
    0x10: Handshake1,
    0x11: Handshake2,
    0x12: Handshake3,
    0x13: Cookie,
    0x14: Frame,
    0x15: Chunk,
    0x16: SizeProbe,
    0x17: HandshakePart,
}


# -- control messages --------------------------------------------------------------------------------------------------


class Prefix(Part):
    name = "Prefix"
    fields_desc = [ByteField("bits", 64), IP6Field("address", "::")]


class AnnouncementLayer(Part):
    name = "Announcement"
    fields_desc = [
        ByteField("version", 1),
        FieldLenField("name_bytes", None, fmt="B", length_of="node_name"),
        FieldLenField("prefix_bytes", None, fmt="H", length_of="prefixes"),
        XStrFixedLenField("signing_key", bytes(32), 32),
        XIntField("epoch", 0),
        ShortField("counter", 0),
        XStrFixedLenField("network_id", bytes(8), 8),
        PacketListField("prefixes", [], Prefix, length_from=lambda packet: packet.prefix_bytes),
        XStrLenField("node_name", b"", length_from=lambda packet: packet.name_bytes),
        XStrFixedLenField("signature", bytes(64), 64),
    ]


def _body_left(packet: Packet) -> int:
    """The announcement in an update, if the length of the update includes one."""
    return int(max((packet.length or 0) - 26, 0))


class UpdateLayer(Part):
    name = "Update"
    fields_desc = [
        ByteEnumField("type", 1, _MESSAGE_TYPES),
        FieldLenField("length", None, fmt="H", length_of="announcement", adjust=lambda packet, size: size + 26),
        IP6Field("node", "::"),
        XIntField("epoch", 0),
        ShortField("counter", 0),
        IntField("metric", 0),
        PacketListField("announcement", [], AnnouncementLayer, length_from=_body_left),
    ]


class SeqnoRequestLayer(Part):
    name = "Seqno request"
    fields_desc = [
        ByteEnumField("type", 2, _MESSAGE_TYPES),
        ShortField("length", 23),
        IP6Field("node", "::"),
        XIntField("epoch", 0),
        ShortField("counter", 0),
        ByteField("hops", 64),
    ]


class RouteRequestLayer(Part):
    name = "Route request"
    fields_desc = [ByteEnumField("type", 3, _MESSAGE_TYPES), ShortField("length", 16), IP6Field("node", "::")]


class DigestLayer(Part):
    name = "Digest"
    fields_desc = [
        ByteEnumField("type", 4, _MESSAGE_TYPES),
        ShortField("length", 20),
        XStrFixedLenField("digest", bytes(16), 16),
        IntField("routes", 0),
    ]


class UnknownMessage(Part):
    name = "Unknown control message"
    fields_desc = [
        ByteField("type", 0),
        FieldLenField("length", None, fmt="H", length_of="body"),
        XStrLenField("body", b"", length_from=lambda packet: packet.length),
    ]


_MESSAGES: Final[dict[int, type[Layer]]] = {
    1: UpdateLayer,
    2: SeqnoRequestLayer,
    3: RouteRequestLayer,
    4: DigestLayer,
}


def _next_message(packet: Packet, before: list[Packet], last: Packet | None, rest: bytes) -> Any:
    return _MESSAGES.get(rest[0], UnknownMessage) if rest else None


# -- inside a frame ----------------------------------------------------------------------------------------------------


class FrameHead(Layer):
    """The first bytes of every opened frame."""

    fields_desc = [
        ByteEnumField("kind", 1, _FRAME_KINDS),
        ByteField("path", 0),
        ShortField("distance", 0),
        IntField("echo", 0),
    ]


class ControlFrame(FrameHead):
    name = "Control frame"
    fields_desc = [
        *FrameHead.fields_desc,
        XIntField("stream", 1),
        IntField("number", 0),
        XIntField("acked_stream", 0),
        IntField("acked", 0),
        XLongField("beyond", 0),
        PacketListField("messages", [], next_cls_cb=_next_message),
    ]


class ProbeFrame(FrameHead):
    name = "Probe frame"
    fields_desc = [
        ByteEnumField("kind", 2, _FRAME_KINDS),
        *FrameHead.fields_desc[1:],
        FlagsField("flags", 0, 8, ["wants reply", "is reply"]),
        ThreeBytesField("more_zeros", 0),
        XIntField("token", 0),
        IntField("opened", 0),
        IntField("newest", 0),
        XStrField("padding", b""),
    ]


class CloseFrame(FrameHead):
    name = "Close frame"
    fields_desc = [
        ByteEnumField("kind", 4, _FRAME_KINDS),
        *FrameHead.fields_desc[1:],
        ByteEnumField("reason", 1, {1: "leaving"}),
        StrField("text", b""),
    ]


class RepairRange(Layer):
    """A range of bytes of a sealed frame that is requested again."""

    fields_desc = [LongField("counter", 0), IntField("first", 0), XIntField("end", 0xFFFFFFFF)]

    def extract_padding(self, data: bytes) -> tuple[bytes, bytes]:
        return b"", data


class RepairFrame(FrameHead):
    name = "Repair frame"
    fields_desc = [
        ByteEnumField("kind", 5, _FRAME_KINDS),
        *FrameHead.fields_desc[1:],
        XIntField("receiver", 0),
        PacketListField("ranges", [], RepairRange),
    ]


class RateFrame(FrameHead):
    name = "Rate frame"
    fields_desc = [ByteEnumField("kind", 6, _FRAME_KINDS), *FrameHead.fields_desc[1:], IntField("kbit_per_s", 1)]


class UnknownFrame(FrameHead):
    name = "Unknown frame"
    fields_desc = [*FrameHead.fields_desc, XStrField("body", b"")]


# -- trains ------------------------------------------------------------------------------------------------------------


class _Length(FieldLenField):  # type: ignore[misc]
    """A 3-byte length."""

    def __init__(self, length_of: str) -> None:
        FieldLenField.__init__(self, "length", None, fmt="!I", length_of=length_of)
        self.sz = 3

    def addfield(self, packet: Packet, data: bytes, value: Any) -> bytes:
        return data + int(self.i2m(packet, value)).to_bytes(3, "big")

    def getfield(self, packet: Packet, data: bytes) -> tuple[bytes, int]:
        return data[3:], int.from_bytes(data[:3], "big")


def _train_fields(kind: int, length: Any, counter: list[Any], *body: Any) -> list[Any]:
    return [
        ByteField("hop_limit", 64),
        FlagsField("flags", 0, 8, ["deflected", "congested"]),
        BitField("version", 1, 4),
        BitEnumField("type", kind, 4, _TRAIN_TYPES),
        ByteField("traffic_class", 0),
        ByteField("bucket", 0),
        length,
        XIntField("session", 0),
        *counter,
        IP6Field("destination", "::"),
        IP6Field("source", "::"),
        *body,
    ]


def _own_index() -> list[Any]:
    """The part of a session request or reply in place of a counter."""
    return [ThreeBytesField("zeros", 0), FlagsField("suites", 3, 8, _SUITES), XIntField("own_index", 0)]


class Train(Part):
    """A data train, or one of an unknown type."""

    name = "Train"
    fields_desc = _train_fields(
        0,
        _Length("body"),
        [LongField("counter", 1)],
        XStrLenField("body", b"", length_from=lambda packet: packet.length),
    )


class SessionRequest(Part):
    name = "Session request"
    fields_desc = _train_fields(
        1,
        ThreeBytesField("length", 1296),
        _own_index(),
        XStrFixedLenField("e", bytes(32), 32),
        XStrFixedLenField("e1", bytes(1200), 1200),
        XStrFixedLenField("s", bytes(48), 48),
        XStrFixedLenField("tag", bytes(16), 16),
    )


class SessionReply(Part):
    name = "Session reply"
    fields_desc = _train_fields(
        2,
        ThreeBytesField("length", 1152),
        _own_index(),
        XStrFixedLenField("e", bytes(32), 32),
        XStrFixedLenField("ekem1", bytes(1104), 1104),
        XStrFixedLenField("tag", bytes(16), 16),
    )


class RelayError(Part):
    name = "Relay error"
    fields_desc = _train_fields(
        3,
        ThreeBytesField("length", 144),
        [LongField("counter", 0)],
        ByteEnumField("code", 0, {0: "no route", 1: "undeliverable", 3: "hop limit"}),
        ThreeBytesField("zeros", 0),
        XIntField("quoted_session", 0),
        LongField("quoted_counter", 0),
        IP6Field("quoted_destination", "::"),
        XStrFixedLenField("quoted_tag", bytes(16), 16),
        XStrFixedLenField("signing_key", bytes(32), 32),
        XStrFixedLenField("signature", bytes(64), 64),
    )


# type byte and body length of the trains whose body has a fixed layout
_TRAINS: Final[dict[tuple[int, int], type[Layer]]] = {
    (0x11, 1296): SessionRequest,
    (0x12, 1152): SessionReply,
    (0x13, 144): RelayError,
}


def _next_train(packet: Packet, before: list[Packet], last: Packet | None, rest: bytes) -> Any:
    if len(rest) < 52:
        return Raw
    return _TRAINS.get((rest[2], int.from_bytes(rest[5:8], "big")), Train)


class DataFrame(FrameHead):
    name = "Data frame"
    fields_desc = [
        ByteEnumField("kind", 3, _FRAME_KINDS),
        *FrameHead.fields_desc[1:],
        PacketListField("trains", [], next_cls_cb=_next_train),
    ]


_FRAMES: Final[dict[int, type[Layer]]] = {
    1: ControlFrame,
    2: ProbeFrame,
    3: DataFrame,
    4: CloseFrame,
    5: RepairFrame,
    6: RateFrame,
}


# -- items -------------------------------------------------------------------------------------------------------------


def _item_fields(kind: int, *content: Any, length: Any) -> list[Any]:
    return [
        length,
        BitEnumField("type", kind, 4, _ITEM_TYPES),
        FlagsField("flags", 0, 4, ["TCP", "UDP", "partial checksum", "CWR"]),
        ShortField("segment_size", 0),
        ShortField("zeros", 0),
        *content,
    ]


class PacketItem(Part):
    name = "Packet"
    fields_desc = _item_fields(
        0,
        PacketListField("packet", [], IPv6, count_from=lambda packet: 1, length_from=lambda packet: packet.length),
        length=_Length("packet"),
    )


class ReportItem(Part):
    name = "Report"
    fields_desc = _item_fields(1, LongField("newest", 0), LongField("opened", 0), length=ThreeBytesField("length", 16))


class UnknownItem(Part):
    name = "Item"
    fields_desc = _item_fields(
        0, XStrLenField("content", b"", length_from=lambda packet: packet.length), length=_Length("content")
    )


def _next_item(packet: Packet, before: list[Packet], last: Packet | None, rest: bytes) -> Any:
    if len(rest) < 8:
        return Raw
    length = int.from_bytes(rest[:3], "big")
    if rest[3] >> 4 == 0 and 40 <= length <= len(rest) - 8 and rest[8] >> 4 == 6:
        return PacketItem
    return ReportItem if rest[3] >> 4 == 1 and length == 16 else UnknownItem


class Items(Layer):
    """The plaintext of a data train."""

    name = "Items"
    fields_desc = [PacketListField("items", [], next_cls_cb=_next_item)]


# -- entry points ------------------------------------------------------------------------------------------------------


def dissect_datagram(data: bytes) -> Packet:
    """Returns the layer of a datagram; Raw if its type is unknown or it is truncated."""
    return _or_raw(_DATAGRAMS.get(data[0]) if data else None, data)


def dissect_frame(plaintext: bytes) -> Packet:
    """Returns the layer of an opened frame with its control messages or trains."""
    return _or_raw(_FRAMES.get(plaintext[0], UnknownFrame) if plaintext else None, plaintext)


def dissect_items(plaintext: bytes) -> Packet:
    """Returns the items of an opened data train."""
    return Items(plaintext)


def _or_raw(layer: type[Layer] | None, data: bytes) -> Packet:
    if layer is None or len(data) < len(bytes(layer())):
        return Raw(data)
    return layer(data)


def text_of(address: bytes) -> str:
    """Returns a 16-byte address as scapy expects it."""
    return str(IPv6Address(address))
