"""Trains taken apart: each kind of item, errors of relays, and what is malformed."""

import re
import struct

import pytest

from mycelium.capture.parts import DatagramPart
from mycelium.capture.trains import ITEMS, KINDS, train_parts
from mycelium.errors import DecodeError
from mycelium.identity import address_text
from mycelium.wire import train as wire
from mycelium.wire.datagram import TYPES
from mycelium.wire.echo import Echo, EchoKind, encode_echo
from mycelium.wire.reachability import ProbeKind, Reach, encode_reach
from mycelium.wire.signal import Signal, SignalKind, encode_signal
from mycelium.wire.speed import SpeedHead, SpeedKind, encode_speed
from mycelium.wire.train import (
    CONGESTED,
    DATA,
    DEFLECTED,
    ERROR,
    ERROR_NO_ROUTE,
    ERROR_QUOTE,
    ITEM_ECHO,
    ITEM_HEADER,
    ITEM_REACHABILITY,
    ITEM_REPORT,
    ITEM_SIGNAL,
    ITEM_SPEED,
    RELAY,
    REPORT,
    TRAIN_HEADER,
    UNSEALED,
)
from tests.capture.support import all_parts
from tests.fuzz.seeds import ANSWER_BODY, IDENTITY, LOOKUP_BODY, contents

A, B = bytes.fromhex("0400" + 14 * "00"), bytes.fromhex("0500" + 14 * "00")


def train(body: bytes, kind: int = DATA, flags: int = 0) -> memoryview:
    return memoryview(TRAIN_HEADER.pack(9, flags, kind, 3, len(body), 5, 6, B, A) + body)


def item(kind: int, content: bytes, segment_size: int = 0) -> bytes:
    return ITEM_HEADER.pack(len(content) << 8 | kind, segment_size) + content


def udp(destination: bytes = B, protocol: int = 17) -> bytes:
    return struct.pack("!IHBB16s16sHHHH", 6 << 28, 8, protocol, 64, A, destination, 53, 9, 8, 0)


def opened(body: bytes, flags: int = 0) -> DatagramPart:
    """Returns a train whose seal opens to what stands there."""
    [part] = train_parts(train(body, flags=flags), lambda index: lambda counter, sealed, aad: memoryview(sealed))
    return part


def test_items_of_each_kind_are_told() -> None:
    items = [
        item(0, udp()),
        item(1, udp(), 8),
        item(0, udp(protocol=99)),
        item(ITEM_REPORT, REPORT.pack(7, 6)),
        item(ITEM_ECHO, encode_echo(Echo(EchoKind.REPLY, 2, bytes(8)))),
        item(ITEM_SIGNAL, encode_signal(Signal(kind=SignalKind.CALL, round=1, token=bytes(8)))),
        item(ITEM_SPEED, encode_speed(SpeedHead(SpeedKind.REQUEST, bytes(8), 1, 5.0))),
        item(ITEM_REACHABILITY, encode_reach(Reach(ProbeKind.PROBE, bytes(8)))),
        item(0xF0, b"new"),
        item(0, b"\x45 is not IPv6"),
    ]
    part = opened(b"".join(items), DEFLECTED | CONGESTED)
    assert (part.fields["from"], part.fields["to"], part.fields["deflected"], part.fields["congested"]) == (
        "400::",
        "500::",
        True,
        True,
    )
    assert [one.title for one in part.parts] == [
        "packet, UDP",
        "packet, UDP",
        "packet, protocol 99",
        "report",
        "echo",
        "signal",
        "speed test",
        "probe of a way",
        "item of unknown kind",
        "packet",
    ]
    assert part.parts[0].fields == {"bytes": 48, "from": "400:: port 53", "to": "500:: port 9"}
    assert part.parts[1].fields["in segments of"] == 8
    assert part.parts[-1].fields["unreadable"] == "it is not IPv6"


def test_an_unsealed_train_is_told_without_the_keys_of_a_session() -> None:
    [part] = train_parts(train(item(0, udp()) + item(0xF0, b"new"), UNSEALED), lambda index: None)
    assert (part.title, part.fields["to index"], part.fields["number"]) == ("unsealed train", "00000005", 6)
    assert [one.title for one in part.parts] == ["packet, UDP", "item of unknown kind"]


def test_each_kind_of_train_and_of_item_has_words() -> None:
    numbers = {name: value for name, value in vars(wire).items() if name.isupper() and isinstance(value, int)}
    kinds = {
        name: value for name, value in numbers.items() if value in TYPES and re.fullmatch("[A-Z]+|SESSION_[A-Z]+", name)
    }
    items = {value for name, value in numbers.items() if re.fullmatch("ITEM_[A-Z]+", name)}
    assert ("LOOKUP" in kinds, set(kinds.values())) == (True, set(KINDS))
    assert (wire.ITEM_SURVEY in items, items) == (True, set(ITEMS))


def test_an_item_of_each_kind_that_a_node_may_send_is_told() -> None:
    part = opened(b"".join(contents()))
    told = {one.title for one in all_parts([part])}
    assert {"question for links", "links of the sender", "link", "meeting", "home records", "home record"} <= told
    assert "item of unknown kind" not in told
    [meeting, *_] = [one for one in part.parts if one.title == "meeting"]
    assert meeting.fields["kind"] == "home"


def test_lookups_and_their_answers_are_told() -> None:
    [lookup, answer] = train_parts(
        memoryview(bytes(train(LOOKUP_BODY, wire.LOOKUP)) + bytes(train(ANSWER_BODY, wire.ANSWER))), lambda index: None
    )
    assert (lookup.title, lookup.fields["of"]) == ("lookup", f"{address_text(IDENTITY.address[:8] + bytes(8))}/64")
    assert (answer.title, answer.fields["nonce"]) == ("answer to a lookup", bytes(8).hex())
    assert [(one.title, one.fields["home"]) for one in answer.parts] == [
        ("home record", address_text(IDENTITY.address))
    ]


@pytest.mark.parametrize("kind", [wire.LOOKUP, wire.ANSWER])
def test_a_short_lookup_or_answer_is_refused(kind: int) -> None:
    with pytest.raises(DecodeError):
        train_parts(train(b"x", kind), lambda index: None)


def test_an_error_of_a_relay_says_what_it_is_about() -> None:
    body = ERROR_QUOTE.pack(ERROR_NO_ROUTE, 1, 77, B, bytes(16)) + bytes(96)
    [part] = train_parts(train(body, ERROR), lambda index: None)
    assert (part.title, part.fields["says"], part.fields["about number"]) == ("error of a relay", "no route", 77)


def wrapped(inside: memoryview, home: bytes = A) -> memoryview:
    return train(home + bytes(inside), RELAY)


def test_a_wrapped_train_is_told_in_its_wrapper_and_a_wrapper_in_a_wrapper_is_refused() -> None:
    inside = train(b"x", 0x1F)
    for home, fields in ((A, {"home of its source": "400::"}), (bytes(16), {})):
        [part] = train_parts(wrapped(inside, home), lambda index: None)
        assert part.title == "wrapped train"
        assert part.fields == {"from": "400::", "to": "500::", "hop limit": 9, "class": 3, **fields}
        assert [one.title for one in part.parts] == ["train of unknown kind 31"]
    with pytest.raises(DecodeError):
        train_parts(wrapped(wrapped(inside)), lambda index: None)


def test_trains_of_unknown_kinds_and_sealed_ones_are_heads() -> None:
    unknown, sealed = train_parts(memoryview(bytes(train(b"x", 0x1F)) + bytes(train(bytes(20)))), lambda index: None)
    assert unknown.title == "train of unknown kind 31"
    assert sealed.fields["sealed"].startswith("for other nodes")


@pytest.mark.parametrize("kind", [ITEM_ECHO, ITEM_SIGNAL, ITEM_SPEED, ITEM_REACHABILITY])
def test_a_truncated_item_is_refused(kind: int) -> None:
    with pytest.raises(DecodeError):
        opened(item(kind, b"\x01"))
