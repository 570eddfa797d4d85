"""Control messages on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.limits import CONTROL_MESSAGE_BYTES, PEERS_PER_MESSAGE
from mycelium.wire.announcement import SEQUENCE_LIMIT, Announcement, encode_announcement
from mycelium.wire.control import (
    Digest,
    Item,
    ItemEncoder,
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
    encode_item,
)
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.knock import KnockWanted
from mycelium.wire.membership import PIECE_BYTES, STATEMENT_BYTES, MemberPiece
from tests.wire.test_announcement import ANNOUNCEMENTS
from tests.wire.test_known_peer import KNOWN_PEERS
from tests.wire.test_lease import LEASE_ITEMS
from tests.wire.test_underlay_address import UNDERLAY_ADDRESSES

NODES = st.binary(min_size=16, max_size=16)
SEQUENCES = st.integers(0, SEQUENCE_LIMIT - 1)
DISTANCES = st.builds(distance, SEQUENCES, st.integers(0, INFINITY))
ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.builds(Update, NODES, DISTANCES, st.none() | ANNOUNCEMENTS),
    st.builds(SeqnoRequest, NODES, SEQUENCES, st.integers(0, 255)),
    st.builds(RouteRequest, NODES),
    st.builds(Digest, NODES, st.integers(0, 0xFFFF_FFFF)),
    st.builds(Observed, UNDERLAY_ADDRESSES),
    st.builds(PeersWanted),
    st.builds(Pin, NODES, NODES, st.booleans()),
    st.builds(
        MemberPiece,
        st.sampled_from((11, 12)),
        st.integers(0, STATEMENT_BYTES - PIECE_BYTES),
        st.just(STATEMENT_BYTES),
        st.binary(min_size=1, max_size=PIECE_BYTES),
    ),
    st.builds(PeersKnown, st.lists(KNOWN_PEERS, max_size=PEERS_PER_MESSAGE).map(tuple)),
    LEASE_ITEMS,
    st.builds(KnockWanted, NODES),
    st.builds(Resume, st.builds(Digest, NODES, st.integers(0, 0xFFFF_FFFF))),
    st.builds(Resumed),
)
KNOWN_TYPES = st.sampled_from(range(1, 16))
UNKNOWN_TYPES = st.integers(0, 255).filter(lambda kind: kind not in (*range(1, 16),))


@given(st.lists(ITEMS, max_size=8))
def test_items_survive_the_wire_in_order(items: list[Item]) -> None:
    assert decode_items(b"".join(encode_item(item) for item in items)) == items


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        decode_items(data)
    except DecodeError:
        return


@given(KNOWN_TYPES, st.binary(max_size=300))
def test_any_body_of_a_known_type_decodes_or_raises_one_error(kind: int, body: bytes) -> None:
    try:
        items = decode_items(bytes((kind,)) + len(body).to_bytes(2, "big") + body)
    except DecodeError:
        return
    assert len(items) == 1


@given(ITEMS)
def test_a_truncated_message_is_refused(item: Item) -> None:
    with pytest.raises(DecodeError):
        decode_items(encode_item(item)[:-1])


@given(ITEMS)
def test_every_message_fits_its_bound(item: Item) -> None:
    assert len(encode_item(item)) <= CONTROL_MESSAGE_BYTES


@given(ITEMS, UNKNOWN_TYPES, st.binary(max_size=50), ITEMS)
def test_a_message_of_an_unknown_type_is_skipped(before: Item, kind: int, body: bytes, after: Item) -> None:
    unknown = bytes((kind,)) + len(body).to_bytes(2, "big") + body
    assert decode_items(encode_item(before) + unknown + encode_item(after)) == [before, after]


@given(st.builds(SeqnoRequest, NODES, SEQUENCES, st.integers(0, 255)), st.binary(min_size=1, max_size=20))
def test_bytes_behind_the_known_fields_are_skipped(item: SeqnoRequest, more: bytes) -> None:
    data = encode_item(item)
    body = data[3:] + more
    assert decode_items(data[:1] + len(body).to_bytes(2, "big") + body) == [item]


def test_a_message_longer_than_its_bound_is_refused() -> None:
    length = CONTROL_MESSAGE_BYTES + 1
    with pytest.raises(DecodeError):
        decode_items(b"\xff" + length.to_bytes(2, "big") + bytes(length))


def test_a_message_with_a_damaged_announcement_is_refused() -> None:
    data = encode_item(Update(bytes(16), distance(1, 5)))
    body = data[3:] + b"not an announcement"
    with pytest.raises(DecodeError):
        decode_items(data[:1] + len(body).to_bytes(2, "big") + body)


@given(st.builds(Update, NODES, DISTANCES, ANNOUNCEMENTS))
def test_an_update_has_the_documented_bytes(update: Update) -> None:
    assert update.announcement is not None
    announcement = encode_announcement(update.announcement)
    body = update.node + update.sequence.to_bytes(6, "big") + update.metric.to_bytes(4, "big") + announcement
    assert encode_item(update) == b"\x01" + len(body).to_bytes(2, "big") + body


def test_a_sequence_number_request_has_the_documented_bytes() -> None:
    request = SeqnoRequest(b"N" * 16, 0x0102_0304_0506, 64)
    assert encode_item(request) == b"\x02\x00\x17" + b"N" * 16 + b"\x01\x02\x03\x04\x05\x06\x40"


def test_a_route_request_has_the_documented_bytes() -> None:
    assert encode_item(RouteRequest(b"N" * 16)) == b"\x03\x00\x10" + b"N" * 16


def test_a_digest_has_the_documented_bytes() -> None:
    assert encode_item(Digest(b"D" * 16, 258)) == b"\x04\x00\x14" + b"D" * 16 + b"\x00\x00\x01\x02"


def test_an_update_with_an_announcement_of_another_version_is_skipped_alone() -> None:
    update = Update(bytes(16), distance(1 << 16, 5), Announcement(bytes(32), 1 << 16, bytes(8)))
    newer = bytearray(encode_item(update))
    newer[3 + 26] = 2
    request = RouteRequest(bytes(16))
    assert decode_items(bytes(newer) + encode_item(request)) == [request]


def test_an_encoder_encodes_an_item_once_and_equal_ones_alike() -> None:
    encode, request = ItemEncoder(), RouteRequest(bytes(16))
    assert encode(request) is encode(request)
    assert encode(RouteRequest(bytes(16))) == encode(request) == encode_item(request)
    assert encode(RouteRequest(b"N" * 16)) == encode_item(RouteRequest(b"N" * 16))
