"""Congestion marks as the kernel tells of them."""

import sys

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.udp_mark import has_mark, marked, unmarked


@pytest.mark.parametrize(("traffic_class", "is_marked"), [(0, False), (1, False), (2, False), (3, True), (0xBB, True)])
def test_only_congestion_experienced_is_a_mark_in_either_family(traffic_class: int, is_marked: bool) -> None:
    assert has_mark(bytes((traffic_class,))) is is_marked
    assert has_mark(traffic_class.to_bytes(4, sys.byteorder)) is is_marked


def test_marked_sources_are_others_and_lead_back_to_the_endpoint() -> None:
    source = Endpoint("udp", "192.0.2.1", 9651, local=bytes(4))
    assert marked(source) != source
    assert unmarked(marked(source)) == source
    assert unmarked(source) is source
