"""docs/protocol.md against the code: every layout, number, label and example that it names.

The document marks its tables by comments: `layout:` names the structs and sizes that a table describes, `numbers:` the module
whose constants it lists, `example` the bytes at its end.
"""

import importlib
import re
import struct
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from mycelium.identity import Identity, address_of_exchange_key, blake2b
from mycelium.routing.digest import digest_of, share_of
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire import (
    announcement,
    beacon,
    control,
    datagram,
    echo,
    frame,
    home_record,
    join,
    knock,
    known_peer,
    lease,
    meeting,
    reachability,
    signal,
    speed,
    train,
    underlay_address,
)
from mycelium.wire.announcement import Announcement, encode_announcement, signed_bytes
from mycelium.wire.control import (
    ANY_NODE,
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
    encode_item,
)
from mycelium.wire.distance import distance
from mycelium.wire.knock import KnockWanted
from mycelium.wire.lease import LeaseAnswer, LeaseRequest, LeaseState
from mycelium.wire.membership import MEMBER_PROOF, REMOVALS, MemberPiece
from mycelium.wire.underlay_address import UnderlayAddress

DOCUMENT: Final = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
UNITS: Final = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "min": 60,
    "h": 3600,
    "MiB": 1 << 20,
}
# said by the document in other words: sizes are in its layouts, masks and words follow from them
SIZES_AND_MASKS: Final = re.compile(r".*(_BYTES|_MASK|_WORD|_SHIFT|_LIMIT)$")

Row = list[str]


class Table(NamedTuple):
    """One table below a comment: what the comment names, and the cells of each row."""

    target: str
    rows: list[Row]


def tables(kind: str) -> list[Table]:
    found = re.findall(rf"<!-- {kind}:? ?(.*?) ?-->\n((?:\|.*\n)+)", DOCUMENT)
    return [Table(target, [cells(line) for line in text.splitlines()[2:]]) for target, text in found]


def cells(line: str) -> Row:
    return [cell.strip() for cell in line.strip("|").split("|")]


def resolve(dotted: str) -> Any:
    """Returns what a dotted name stands for: a module's member, a field of it, or the default of a struct's field."""
    module, _, name = dotted.rpartition(".")
    if module.endswith("RoutingParameters"):
        return getattr(RoutingParameters(), name)
    if module.endswith("LeaseState"):
        return LeaseState[name]
    if module.endswith("JoinStatus"):
        return join.JoinStatus[name]
    owner = resolve(module) if module.rpartition(".")[2].isupper() else importlib.import_module(module)
    return getattr(owner, name)


def boundaries_of(layout: struct.Struct) -> list[int]:
    """Returns where each field of a struct begins, and where the last one ends."""
    order, fields = layout.format[0], re.findall(r"x+|\d*[a-zA-Z]", layout.format[1:])
    return [struct.calcsize(order + "".join(fields[:count])) for count in range(len(fields) + 1)]


def value_of(text: str) -> Any:
    """Reads a number with its unit, a range of them, or the bytes of a label."""
    if text.startswith("`"):
        return text.strip("`").replace(r"\0", "\0").encode()
    if " to " in text:
        first, last, unit = text.replace(" to ", " ").split()
        return value_of(f"{first} {unit}"), value_of(f"{last} {unit}")
    if power := re.fullmatch(r"2\^(\d+)", text):
        return 1 << int(power[1])
    if text.startswith("0x"):
        return int(text, 16)
    number, _, unit = text.replace(",", "").partition(" ")
    return float(number) * UNITS[unit] if unit else float(number)


NUMBERS: Final = [(f"{table.target}.{row[0].strip('`')}", row[1]) for table in tables("numbers") for row in table.rows]


@pytest.mark.parametrize("kind", ["layout", "numbers", "example"])
def test_every_marked_table_is_found(kind: str) -> None:
    assert len(tables(kind)) == DOCUMENT.count(f"<!-- {kind}") > 0


@pytest.mark.parametrize(("name", "text"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_each_number_is_the_codes(name: str, text: str) -> None:
    value = resolve(name)
    expected = value_of(text)
    assert value == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize("table", tables("layout"), ids=lambda table: table.target)
def test_each_layout_is_the_codes(table: Table) -> None:
    fixed = [(int(at), int(size)) for at, size, _ in table.rows if at.isdecimal() and size.isdecimal()]
    places = [at for at, _ in fixed] + [sum(fixed[-1])]
    assert places == [sum(size for _, size in fixed[:count]) for count in range(len(places))]
    described = [resolve(target) for target in table.target.split()]
    sizes = [one.size if isinstance(one, struct.Struct) else one for one in described]
    assert max(sizes) == places[-1]
    boundaries = [place for one in described if isinstance(one, struct.Struct) for place in boundaries_of(one)]
    assert [place for place in boundaries if place not in places] == []


@pytest.mark.parametrize("module", [datagram, frame, join, lease, train], ids=lambda module: module.__name__)
def test_no_number_of_the_wire_is_missing(module: Any) -> None:
    names = [name for name in vars(module) if name.isupper() and isinstance(vars(module)[name], int | bytes)]
    said = {name.rpartition(".")[2] for name, _ in NUMBERS if name.startswith(module.__name__)}
    own = [name for name in names if not name.startswith("_") and not SIZES_AND_MASKS.match(name)]
    assert [name for name in own if name not in said and name != "PROTOCOL_VERSION"] == []


def test_no_layout_of_the_wire_is_missing() -> None:
    said = {target for table in tables("layout") for target in table.target.split()}
    layouts = {
        f"{module.__name__}.{name}"
        for module in (
            announcement,
            beacon,
            control,
            datagram,
            echo,
            frame,
            home_record,
            join,
            known_peer,
            knock,
            lease,
            meeting,
            reachability,
            signal,
            speed,
            train,
            underlay_address,
        )
        for name, value in vars(module).items()
        if isinstance(value, struct.Struct)
    }
    assert layouts - said == set()


def test_datagrams_have_the_sizes_said() -> None:
    (types,) = (table for table in tables("numbers") if table.rows[0][0] == "`HANDSHAKE_1`")
    sizes = {name.strip("`"): size for name, _, size in types.rows}
    for name in ("HANDSHAKE_1", "HANDSHAKE_2", "HANDSHAKE_3", "COOKIE"):
        assert sizes[name] == f"{vars(datagram)[name + '_BYTES']:,}"
    empty_frame = datagram.FRAME_HEAD.size + frame.FRAME_HEADER.size + datagram.TAG_BYTES
    assert sizes["FRAME"] == f"{empty_frame} and more"
    assert sizes["CHUNK"] == f"{datagram.CHUNK_HEAD.size + 1} and more"


def test_control_messages_have_the_types_said() -> None:
    items: dict[str, Item] = {
        "update": Update(ANY_NODE, distance(0, 0)),
        "sequence request": SeqnoRequest(ANY_NODE, 0, 0),
        "route request": RouteRequest(ANY_NODE),
        "digest": Digest(bytes(16), 0),
        "observed address": Observed(UnderlayAddress("192.0.2.1", 9651)),
        "lease request": LeaseRequest(bytes(16), bytes(4)),
        "lease answer": LeaseAnswer(bytes(16), bytes(4), 1),
        "peers wanted": PeersWanted(),
        "known peers": PeersKnown(()),
        "pin": Pin(ANY_NODE, ANY_NODE, is_pinned=True),
        "member proof": MemberPiece(MEMBER_PROOF, 0, 1, b"x"),
        "removals": MemberPiece(REMOVALS, 0, 1, b"x"),
        "knock wanted": KnockWanted(bytes(16)),
        "resume": Resume(Digest(bytes(16), 0)),
        "resumed": Resumed(),
    }
    said = re.findall(r"^\| (\d+) \| ([a-z ]+) \| (?:section|none)", DOCUMENT, re.MULTILINE)
    assert said == [(str(encode_item(item)[0]), name) for name, item in items.items()]


def test_the_address_in_the_document_is_the_codes() -> None:
    ((key, address),) = re.findall(r"^\| `([0-9a-f]{64})` \| `([0-9a-f:]+)` \|", DOCUMENT, re.MULTILINE)
    groups = [int(group, 16) for group in address.split(":")]
    assert address_of_exchange_key(bytes.fromhex(key)) == struct.pack("!8H", *groups)


def test_the_examples_are_the_codes() -> None:
    identity = Identity(bytes(range(32)))
    sequence = 0x69000000 << 16 | 3
    unsigned = Announcement(identity.signing_public_key, sequence, bytes(8))
    signed = Announcement(
        identity.signing_public_key, sequence, bytes(8), signature=identity.sign(signed_bytes(unsigned))
    )
    held = digest_of(share_of(identity.address, distance(sequence, 64)))
    expected = [
        identity.signing_public_key,
        identity.exchange_public_key,
        identity.address,
        blake2b(b"example", size=8),
        encode_announcement(signed),
        encode_item(Update(identity.address, distance(sequence, 64))),
        encode_item(SeqnoRequest(identity.address, sequence + 1, 64)),
        encode_item(RouteRequest(ANY_NODE)),
        encode_item(held),
        blake2b(b"mycelium link mac 1\x00" + bytes(64) + b"\xff" * 8, size=32),
    ]
    (table,) = tables("example")
    assert [data.strip("`") for _, data in table.rows] == [data.hex() for data in expected]


@pytest.mark.parametrize("link", re.findall(r"\]\((#[^)]*)\)", DOCUMENT))
def test_each_link_leads_to_a_heading(link: str) -> None:
    headings = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = ["#" + re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert link in anchors
