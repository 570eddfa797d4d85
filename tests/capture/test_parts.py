"""Parts of datagrams, as lines and as JSON."""

import json

import msgspec
import pytest

from mycelium.capture.parts import DatagramPart, part_of, shown
from mycelium.wire.control import Observed, Update
from mycelium.wire.distance import distance
from mycelium.wire.echo import EchoKind
from mycelium.wire.survey import LinksTold, ToldLink
from mycelium.wire.underlay_address import UnderlayAddress

NODE = bytes.fromhex("04a4459a71c13cb007175626f0c8d354")


def test_a_tree_is_lines_that_stand_further_right() -> None:
    tree = DatagramPart(
        "frame", {"bytes": 9, "to": "x"}, [DatagramPart("data", {}, [DatagramPart("packet", {"from": "y"})])]
    )
    assert list(tree.lines()) == ["frame: bytes 9, to x", "  data", "    packet: from y"]
    assert json.loads(msgspec.json.encode(tree))["parts"][0]["parts"][0]["fields"] == {"from": "y"}


def test_a_message_is_its_fields() -> None:
    part = part_of("update", Update(NODE, distance(3, 7)))
    assert part.fields["node"] == "4a4:459a:71c1:3cb0:717:5626:f0c8:d354"
    assert "announcement" not in part.fields
    assert "192.0.2.1" in str(part_of("observed", Observed(UnderlayAddress("192.0.2.1", 7))))


def test_messages_in_a_message_are_parts_of_it() -> None:
    links = tuple(ToldLink(NODE, cost, None, 0, is_suspect=False) for cost in (7, 8))
    part = part_of("links", LinksTold(bytes(8), count=2, links=links))
    assert [(one.title, one.fields["cost"]) for one in part.parts] == [("link", 7), ("link", 8)]
    assert "links" not in part.fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NODE, "4a4:459a:71c1:3cb0:717:5626:f0c8:d354"),
        (b"\x01\x02", "0102"),
        ((1, b"\x03"), [1, "03"]),
        (2.5, 2.5),
        (EchoKind.REPLY, "reply"),
    ],
)
def test_values_are_shown_so_that_json_has_them(value: object, text: object) -> None:
    assert shown(value) == text
    assert shown(memoryview(b"\x01")) == "01"
    assert shown(ValueError) == str(ValueError)
