"""Takes datagrams apart: those of strangers, frames, and with their keys what is sealed in them, down to packets."""

import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from mycelium.capture.keys import LINK, SESSION, KnownKey
from mycelium.capture.parts import DatagramPart, part_of
from mycelium.capture.trains import proof_fields, train_parts
from mycelium.crypto.primitives import Aead, RealPrimitives
from mycelium.errors import DecodeError, HandshakeError
from mycelium.link.chunk_tags import ChunkTags
from mycelium.link.counters import LinkCounters
from mycelium.link.reassembly import PartialBudget, Reassembly
from mycelium.wire import datagram as wire
from mycelium.wire import frame as frames
from mycelium.wire.control import (
    Digest,
    Item,
    Observed,
    PeersKnown,
    PeersWanted,
    Pin,
    Resume,
    Resumed,
    RouteRequest,
    SeqnoRequest,
    Update,
    decode_items,
)
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.distance import INFINITY, metric_of, sequence_of
from mycelium.wire.join import JOIN_REPLY, JOIN_REPLY_HEAD, JOIN_REQUEST, JOIN_REQUEST_HEAD
from mycelium.wire.key_proof import decode_key_proof
from mycelium.wire.knock import KNOCK, KNOCK_DATAGRAM, KnockWanted
from mycelium.wire.lease import LEASE_BIND, LEASE_CHALLENGE, LeaseAnswer, LeaseRequest, decode_bind
from mycelium.wire.membership import REMOVALS, MemberPiece

TITLES: Final = {
    wire.HANDSHAKE_1: "handshake 1",
    wire.HANDSHAKE_2: "handshake 2",
    wire.HANDSHAKE_3: "handshake 3",
    wire.COOKIE: "cookie",
    wire.FRAME: "frame",
    wire.CHUNK: "chunk",
    wire.SIZE_PROBE: "size probe",
    wire.HANDSHAKE_PART: "part of a handshake message",
    LEASE_BIND: "bind of a lease",
    LEASE_CHALLENGE: "challenge of a lease",
    JOIN_REQUEST: "join request",
    JOIN_REPLY: "join reply",
    KNOCK: "knock",
}
FRAMES: Final = {
    frames.CONTROL: "control",
    frames.PROBE: "probe",
    frames.DATA: "data",
    frames.CLOSE: "close",
    frames.REPAIR: "repair",
    frames.RATE: "rate",
    frames.PROOF: "key proof",
    frames.UNSEALED: "unsealed",
}
_MESSAGES: Final[dict[type[Item], str]] = {
    Update: "update",
    SeqnoRequest: "sequence request",
    RouteRequest: "route request",
    Digest: "digest",
    Observed: "observed address",
    LeaseRequest: "lease request",
    LeaseAnswer: "lease answer",
    PeersWanted: "peers wanted",
    PeersKnown: "known peers",
    Pin: "pin",
    MemberPiece: "member proof",
    KnockWanted: "knock wanted",
    Resume: "resume",
    Resumed: "resumed",
}
_UNREAD: Final = "unreadable"
_NO_KEY: Final = "sealed, and no key of the capture opens it"


class _Opener:
    """What opens frames or trains that name one index, in one direction."""

    def __init__(self, key: KnownKey) -> None:
        self.peer = key.peer
        self.cipher: Aead = RealPrimitives().aead(key.suite, key.key)
        tags, counters = ChunkTags(self.cipher), LinkCounters()
        self.reassembly = Reassembly(key.index, lambda counter: True, tags.of, PartialBudget(), counters)

    def open(self, counter: int, sealed: bytes | memoryview, aad: bytes | memoryview) -> memoryview | None:
        """Returns the plaintext; None for what is not authentic."""
        plain = memoryview(bytearray(max(len(sealed) - TAG_BYTES, 0)))
        try:
            self.cipher.decrypt_into(bytes(4) + counter.to_bytes(8, "big"), sealed, aad, plain)
        except (InvalidTag, ValueError):
            return None
        return plain


class Dissector:
    """Takes one datagram after the other, in the order of the capture."""

    def __init__(self) -> None:
        self._openers: dict[tuple[str, bool, int], _Opener] = {}

    def learn(self, keys: Iterable[KnownKey]) -> None:
        """Takes keys for what comes from now on; raises DecodeError for a suite that nobody knows."""
        for key in keys:
            try:
                self._openers[key.of, key.is_sent, key.index] = _Opener(key)
            except (HandshakeError, ValueError):
                raise DecodeError("a key in this capture is of an unknown suite or length") from None

    def take(self, data: bytes, *, is_sent: bool) -> DatagramPart:
        """Returns a datagram taken apart."""
        title = TITLES.get(data[0] if data else 0)
        part = DatagramPart(title or "unknown", {"bytes": len(data)})
        try:
            self._fill(part, data, is_sent=is_sent)
        except (DecodeError, ValueError, IndexError, struct.error):
            part.fields[_UNREAD] = "it is malformed"
        return part

    def _fill(self, part: DatagramPart, data: bytes, *, is_sent: bool) -> None:
        read: Callable[[DatagramPart, bytes], None] | None = _UNSEALED.get(data[0] if data else 0)
        if read is not None:
            read(part, data)
        elif part.title in ("frame", "size probe"):
            _, index, counter = wire.FRAME_HEAD.unpack_from(data)
            head = wire.FRAME_HEAD.size
            part.fields |= {"to index": f"{index:08x}", "number": counter & ~wire.FIRST_SIZE_PROBE}
            opener = self._openers.get((LINK, is_sent, index))
            aad = data[:head]
            plain = None if opener is None else opener.open(counter, data[head:], aad)
            if plain is None or opener is None:
                part.fields[_UNREAD] = _NO_KEY
            elif part.title == "frame":
                part.parts.append(self._frame(plain, is_sent=is_sent))
            else:
                part.fields["token"] = f"{wire.SIZE_PROBE_BODY.unpack_from(plain)[0]:08x}"
        elif part.title == "chunk":
            self._chunk(part, data, is_sent=is_sent)

    def _chunk(self, part: DatagramPart, data: bytes, *, is_sent: bool) -> None:
        word, index, counter, tagged, _, _ = wire.CHUNK_HEAD.unpack_from(data)
        part.fields |= {
            "to index": f"{index:08x}",
            "number": counter,
            "offset": word & wire.CHUNK_OFFSET_MASK,
            "of bytes": tagged & wire.FOLDED_BYTES_MASK,
        }
        opener = self._openers.get((LINK, is_sent, index))
        if opener is None:
            part.fields[_UNREAD] = _NO_KEY
            return
        for number, sealed in opener.reassembly.add_burst(memoryview(data), len(data))[0]:
            plain = opener.open(number, sealed, wire.FRAME_HEAD.pack(wire.FRAME_WORD, index, number))
            whole = DatagramPart(f"completes frame {number}", {"bytes": len(sealed)})
            if plain is None:
                whole.fields[_UNREAD] = "it is not authentic"
            else:
                whole.parts.append(self._frame(plain, is_sent=is_sent))
            part.parts.append(whole)

    def _frame(self, plain: memoryview, *, is_sent: bool) -> DatagramPart:
        kind, path, distance, ack = frames.FRAME_HEADER.unpack_from(plain)
        body = plain[frames.FRAME_HEADER.size :]
        part = DatagramPart(FRAMES.get(kind, f"of unknown kind {kind}"), {"path": path})
        part.fields |= {"acknowledges": ack} if ack else {}
        part.fields |= {"behind number": distance} if distance else {}
        match kind:
            case frames.CONTROL:
                _control(part, body)
            case frames.PROBE:
                _probe(part, body)
            case frames.DATA | frames.UNSEALED:
                part.parts += train_parts(body, lambda index: self._train_opener(index, is_sent=is_sent))
            case frames.REPAIR:
                [index] = frames.REPAIR_HEAD.unpack_from(body)
                part.fields["under index"] = f"{index:08x}"
                for counter, first, end in frames.REPAIR_RANGE.iter_unpack(body[frames.REPAIR_HEAD.size :]):
                    until = "the end" if end == frames.WHOLE_FRAME else end
                    part.parts.append(DatagramPart("wanted", {"number": counter, "from byte": first, "to": until}))
            case frames.RATE:
                part.fields["bytes a second"] = frames.read_rate(body)
            case frames.PROOF:
                part.fields |= proof_fields(decode_key_proof(bytes(body)))
            case frames.CLOSE:
                part.fields |= {"reason": body[0], "text": bytes(body[1:]).decode(errors="replace")}
        return part

    def _train_opener(self, index: int, *, is_sent: bool) -> Callable[..., memoryview | None] | None:
        """Returns what opens a train of a session; trains of other nodes that pass have no key here."""
        opener = self._openers.get((SESSION, is_sent, index))
        return None if opener is None else opener.open


def _probe(part: DatagramPart, body: memoryview) -> None:
    probe = frames.read_probe(body)
    part.fields |= {"wants reply": True} if probe.wants_reply else {}
    part.fields |= {"is reply": True, "waited ms": round(1_000 * probe.waited_s, 3)} if probe.is_reply else {}
    part.fields |= {"token": f"{probe.token:08x}", "opened": probe.opened, "newest": probe.newest}


def _control(part: DatagramPart, body: memoryview) -> None:
    stream, number, of_stream, acknowledged, more = frames.CONTROL_HEADER.unpack_from(body)
    part.fields |= {"stream": f"{stream:08x}", "segment": number, "has": acknowledged, "of": f"{of_stream:08x}"}
    part.fields |= {"has also": f"{more:016x}"} if more else {}
    items = decode_items(bytes(body[frames.CONTROL_HEADER.size :]))
    part.parts += [_message(one) for one in items]


def _message(item: Item) -> DatagramPart:
    is_removals = isinstance(item, MemberPiece) and item.kind == REMOVALS
    part = part_of("removals" if is_removals else _MESSAGES[type(item)], item)
    if isinstance(item, Update):
        packed = part.fields.pop("distance")
        metric = metric_of(packed)
        part.fields |= {"sequence": sequence_of(packed), "metric": "retracted" if metric == INFINITY else metric}
    return part


def _handshake_1(part: DatagramPart, data: bytes) -> None:
    _, version, suites, _, sender = wire.HANDSHAKE_1_HEAD.unpack_from(data)
    part.fields |= {"version": version, "suites": suites, "from index": f"{sender:08x}"}


def _handshake_2(part: DatagramPart, data: bytes) -> None:
    _, version, suite, _, sender, receiver = wire.HANDSHAKE_2_HEAD.unpack_from(data)
    part.fields |= {"version": version, "suite": suite, "from index": f"{sender:08x}", "to index": f"{receiver:08x}"}


def _handshake_3(part: DatagramPart, data: bytes) -> None:
    part.fields["to index"] = f"{wire.HANDSHAKE_3_HEAD.unpack_from(data)[1]:08x}"


def _cookie(part: DatagramPart, data: bytes) -> None:
    _, receiver, answered, cookie, _ = wire.COOKIE_DATAGRAM.unpack_from(data)
    part.fields |= {"to index": f"{receiver:08x}", "answers": answered.hex(), "cookie": cookie.hex()}


def _handshake_part(part: DatagramPart, data: bytes) -> None:
    _, number, sender = wire.HANDSHAKE_PART_HEAD.unpack_from(data)
    part.fields |= {"number": number, "from index": f"{sender:08x}"}


def _bind(part: DatagramPart, data: bytes) -> None:
    _, nonce, _ = decode_bind(data)
    part.fields["nonce"] = nonce.hex()


def _join_request(part: DatagramPart, data: bytes) -> None:
    _, version, number, hint = JOIN_REQUEST_HEAD.unpack_from(data)
    part.fields |= {"version": version, "part": number, "hint": hint.hex()}


def _join_reply(part: DatagramPart, data: bytes) -> None:
    _, version, number = JOIN_REPLY_HEAD.unpack_from(data)
    part.fields |= {"version": version, "part": number}


def _knock(part: DatagramPart, data: bytes) -> None:
    part.fields["nonce"] = KNOCK_DATAGRAM.unpack(data)[1].hex()


_UNSEALED: Final[dict[int, Any]] = {
    wire.HANDSHAKE_1: _handshake_1,
    wire.HANDSHAKE_2: _handshake_2,
    wire.HANDSHAKE_3: _handshake_3,
    wire.COOKIE: _cookie,
    wire.HANDSHAKE_PART: _handshake_part,
    LEASE_BIND: _bind,
    LEASE_CHALLENGE: _bind,
    JOIN_REQUEST: _join_request,
    JOIN_REPLY: _join_reply,
    KNOCK: _knock,
}
