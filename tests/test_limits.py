"""Bounds that depend on one another; what each bounds is tested where it is applied."""

import ast
from pathlib import Path

from mycelium import limits
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import ITEM_HEADER_BYTES, TRAIN_HEADER_BYTES

ROOT = Path(limits.__file__).parents[1]
UDP_GSO_BYTES = 65_535 - 8 - 40  # the longest payload of one UDP GSO call over IPv6


def test_the_floor_fits_the_least_mtu_of_ipv6() -> None:
    assert limits.DATAGRAM_FLOOR == 1_280 - 40 - 8


def test_a_frame_holds_a_batch_and_one_udp_gso_call_sends_the_longest_super_packet() -> None:
    overhead = FRAME_HEAD.size + FRAME_HEADER.size + TRAIN_HEADER_BYTES + ITEM_HEADER_BYTES + 2 * TAG_BYTES
    assert limits.GSO_BYTES + overhead < UDP_GSO_BYTES
    assert limits.BYTES_PER_BATCH + limits.GSO_BYTES + overhead <= limits.FRAME_PLAINTEXT


def test_the_bound_of_one_owner_is_within_that_of_the_node() -> None:
    assert limits.SESSION_QUEUE_BYTES < limits.SESSION_QUEUE_BYTES_PER_NODE
    assert limits.SENT_BYTES_PER_LINK < limits.REPAIR_BYTES_PER_NODE
    assert limits.HELD_BYTES_PER_LINK < limits.REPAIR_BYTES_PER_NODE
    assert limits.HANDSHAKES_PER_SECOND_AND_SUBNET < limits.HANDSHAKES_PER_SECOND_WITH_COOKIE


def test_the_links_of_one_site_leave_something_of_what_is_kept_for_those_who_take_little() -> None:
    links = limits.LINKS_PER_SUBNET << 2
    assert links * limits.VERIFICATIONS_OF_ALL.little_per_second < limits.VERIFICATIONS_OF_ALL.per_second
    frames = limits.PLAIN_FRAMES_OF_ALL
    assert limits.LINKS_PER_SUBNET * frames.little_per_second < frames.per_second
    assert links * limits.CONTROL_BYTES_OF_ALL.little_per_second <= limits.CONTROL_BYTES_OF_ALL.per_second


def test_what_is_kept_of_each_neighbour_has_room_for_peers_that_the_operator_named_too() -> None:
    sources = (ROOT / "mycelium").rglob("*.py")
    importing = (
        path.name
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "mycelium.limits"
        if "LINKS" in (name.name for name in node.names)
    )
    assert list(importing) == ["neighbours.py"], "others are sized by NEIGHBOURS"
    assert limits.NEIGHBOURS == limits.LINKS + limits.CONFIGURED_PEERS


def test_each_bound_is_applied_somewhere() -> None:
    used = set()
    for folder in ("mycelium", "sim"):
        for path in (ROOT / folder).glob("**/*.py"):
            used |= {
                alias.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom) and node.module == "mycelium.limits"
                for alias in node.names
                if alias.name.isupper()
            }
    assert {name for name in vars(limits) if name.isupper()} == used
