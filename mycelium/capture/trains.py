"""Trains taken apart: their heads, and with the keys of a session the packets and messages in them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from msgspec import Struct

from mycelium.capture.parts import DatagramPart, part_of
from mycelium.errors import DecodeError
from mycelium.identity import address_text
from mycelium.packet.batch import SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import HEADER_BYTES, destination_of, is_ipv6, source_of, upper_layer
from mycelium.wire import train as wire
from mycelium.wire.echo import decode_echo
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.key_proof import ProofAccepted, ProofPart, ProofWanted
from mycelium.wire.lookup import decode_answer, decode_lookup, decode_records
from mycelium.wire.meeting import decode_meeting
from mycelium.wire.reachability import decode_reach
from mycelium.wire.session_proof import CertificatePart, MemberWanted, SessionProofItem, decode_session_proof
from mycelium.wire.signal import decode_signal
from mycelium.wire.speed import decode_speed
from mycelium.wire.survey import LinksAsked, decode_survey

KINDS: Final = {
    wire.DATA: "train",
    wire.SESSION_REQUEST: "session request",
    wire.SESSION_REPLY: "session reply",
    wire.ERROR: "error of a relay",
    wire.SESSION_COOKIE: "session cookie",
    wire.SESSION_PROOF: "session proof",
    wire.RELAY: "wrapped train",
    wire.LOOKUP: "lookup",
    wire.ANSWER: "answer to a lookup",
    wire.UNSEALED: "unsealed train",
}
_ERRORS: Final = {
    wire.ERROR_NO_ROUTE: "no route",
    wire.ERROR_UNDELIVERABLE: "undeliverable",
    wire.ERROR_HOP_LIMIT: "hop limit",
}
_SEALED: Final = "for other nodes, or under a key that is not in the capture"
_PROTOCOLS: Final = {6: "TCP", 17: "UDP", 58: "ICMPv6"}


class OpenTrain(Protocol):
    """Opens what is sealed under a counter, with its associated data; None for what is not authentic."""

    def __call__(self, counter: int, sealed: bytes | memoryview, aad: bytes | memoryview) -> memoryview | None: ...


def train_parts(body: memoryview, opener_of: Callable[[int], OpenTrain | None]) -> list[DatagramPart]:
    """Returns the trains of a data frame; `opener_of` knows the keys by the index that a train names."""
    found, position = [], 0
    while position + wire.TRAIN_HEADER_BYTES <= len(body):
        length = wire.TRAIN_HEADER.unpack_from(body, position)[4] & wire.LENGTH_MASK
        end = position + wire.TRAIN_HEADER_BYTES + length
        found.append(_train(body[position:end], opener_of))
        position = end
    return found


def proof_fields(item: SessionProofItem) -> Mapping[str, Any]:
    """Returns what an item says of the proof of a key."""
    match item:
        case ProofWanted(fingerprint, arrived):
            return {"wants key": fingerprint.hex(), "has parts": arrived.bit_count()}
        case MemberWanted(arrived, certificates):
            return {"wants certificates": True, "has parts": arrived.bit_count() + certificates.bit_count()}
        case ProofPart(number):
            return {"part": number}
        case CertificatePart(number):
            return {"part of certificates": number}
        case ProofAccepted():
            return {"is accepted": True}


def _train(train: memoryview, opener_of: Callable[[int], OpenTrain | None]) -> DatagramPart:
    limit, flags, kind, traffic_class, _, index, counter, destination, source = wire.TRAIN_HEADER.unpack_from(train)
    part = DatagramPart(KINDS.get(kind, f"train of unknown kind {kind}"))
    part.fields |= {"from": address_text(source), "to": address_text(destination), "hop limit": limit}
    part.fields |= {"class": traffic_class} if traffic_class else {}
    part.fields |= {"deflected": True} if flags & wire.DEFLECTED else {}
    part.fields |= {"congested": True} if flags & wire.CONGESTED else {}
    body = train[wire.TRAIN_HEADER_BYTES :]
    if kind == wire.DATA:
        part.fields |= {"to index": f"{index:08x}", "number": counter, "bytes": len(body)}
        opener = opener_of(index)
        plain = None if opener is None else opener(counter, body, train[wire.AAD_START : wire.TRAIN_HEADER_BYTES])
        if plain is None:
            part.fields["sealed"] = _SEALED
        else:
            part.parts += _items(plain)
    elif kind == wire.SESSION_PROOF:
        part.fields |= {"to index": f"{index:08x}", "number": counter}
        opener = opener_of(index)
        plain = None if opener is None else opener(counter, body, train[wire.AAD_START : wire.TRAIN_HEADER_BYTES])
        part.fields |= {"sealed": _SEALED} if plain is None else proof_fields(decode_session_proof(bytes(plain)))
    elif kind == wire.UNSEALED:
        part.fields |= {"to index": f"{index:08x}", "number": counter, "bytes": len(body)}
        part.parts += _items(body)
    elif kind == wire.RELAY and len(train) >= wire.WRAPPER_BYTES + wire.TRAIN_HEADER_BYTES:
        home, inside = wire.home_in(train), train[wire.WRAPPER_BYTES :]
        if wire.TRAIN_HEADER.unpack_from(inside)[2] == wire.RELAY:
            raise DecodeError("a wrapped train within another")
        part.fields |= {"home of its source": address_text(home)} if home else {}
        part.parts.append(_train(inside, opener_of))
    elif kind in (wire.SESSION_REQUEST, wire.SESSION_REPLY):
        own, suites = wire.index_and_suites(counter)
        part.fields |= {"from index": f"{own:08x}", "suites": suites}
    elif kind == wire.LOOKUP:
        subnet, nonce = decode_lookup(bytes(body))
        part.fields |= {"of": f"{address_text(subnet + bytes(8))}/64", "nonce": nonce.hex()}
    elif kind == wire.ANSWER:
        nonce, records = decode_answer(bytes(body))
        part.fields["nonce"] = nonce.hex()
        part.parts += _home_records(records)
    elif kind == wire.ERROR:
        code, _, about, to, _ = wire.ERROR_QUOTE.unpack_from(body)
        part.fields |= {"says": _ERRORS.get(code, code), "about number": about, "of those to": address_text(to)}
    return part


def _items(plain: memoryview) -> list[DatagramPart]:
    found, position = [], 0
    while position + wire.ITEM_HEADER_BYTES <= len(plain):
        word, segment_size = wire.ITEM_HEADER.unpack_from(plain, position)
        start = position + wire.ITEM_HEADER_BYTES
        position = start + (word >> 8)
        found.append(_item(word & 0xF0, word & 0x0F, plain[start:position], segment_size))
    return found


def _item(kind: int, flags: int, body: memoryview, segment_size: int) -> DatagramPart:
    if kind == 0:
        return _packet(body, flags, segment_size)
    tell = ITEMS.get(kind)
    part = None if tell is None else tell(bytes(body))
    return part or DatagramPart("item of unknown kind", {"kind": kind, "bytes": len(body)})


def _report(body: bytes) -> DatagramPart:
    newest, opened = wire.REPORT.unpack_from(body)
    return DatagramPart("report", {"newest": newest, "opened": opened})


def _told_by(title: str, decode: Callable[[bytes], Struct | None]) -> Callable[[bytes], DatagramPart | None]:
    """Returns what tells an item, whose decoder returns None for kinds of later versions."""

    def tell(body: bytes) -> DatagramPart | None:
        decoded = decode(body)
        return None if decoded is None else part_of(title, decoded)

    return tell


def _survey(body: bytes) -> DatagramPart | None:
    told = decode_survey(body)
    if told is None:
        return None
    return part_of("question for links" if isinstance(told, LinksAsked) else "links of the sender", told)


def _homes(body: bytes) -> DatagramPart:
    return DatagramPart("home records", parts=_home_records(decode_records(body)))


def _home_records(records: Iterable[HomeRecord]) -> list[DatagramPart]:
    return [part_of("home record", one) for one in records]


def _packet(packet: memoryview, flags: int, segment_size: int) -> DatagramPart:
    part = DatagramPart("packet", {"bytes": len(packet)})
    if len(packet) < HEADER_BYTES or not is_ipv6(packet):
        part.fields["unreadable"] = "it is not IPv6"
        return part
    protocol, at = upper_layer(packet)
    name = _PROTOCOLS.get(protocol, f"protocol {protocol}")
    ports = ("", "")
    if name in ("TCP", "UDP") and at + 4 <= len(packet):
        ports = f" port {int.from_bytes(packet[at : at + 2])}", f" port {int.from_bytes(packet[at + 2 : at + 4])}"
    part.title = f"packet, {name}"
    part.fields |= {
        "from": address_text(source_of(packet)) + ports[0],
        "to": address_text(destination_of(packet)) + ports[1],
    }
    if flags & (SUPER_TCP | SUPER_UDP):
        part.fields["in segments of"] = segment_size
    return part


ITEMS: Final[Mapping[int, Callable[[bytes], DatagramPart | None]]] = {
    wire.ITEM_REPORT: _report,
    wire.ITEM_SIGNAL: _told_by("signal", decode_signal),
    wire.ITEM_ECHO: _told_by("echo", decode_echo),
    wire.ITEM_SPEED: _told_by("speed test", decode_speed),
    wire.ITEM_REACHABILITY: _told_by("probe of a way", decode_reach),
    wire.ITEM_SURVEY: _survey,
    wire.ITEM_MEETING: _told_by("meeting", decode_meeting),
    wire.ITEM_HOMES: _homes,
}
