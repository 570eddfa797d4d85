"""The formulas for sizes say what encoding would."""

from hypothesis import given
from hypothesis import strategies as st

from mycelium.limits import PREFIXES_PER_NODE
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Digest, Item, Pin, RouteRequest, SeqnoRequest, Update, encode_item
from mycelium.wire.distance import distance
from mycelium.wire.home_record import HomeRecord
from sim.net.sizes import SEGMENT_OVERHEAD, SEGMENT_ROOM, batch_bytes, items_bytes

NODES = st.binary(min_size=16, max_size=16)
ANNOUNCEMENTS = st.integers(0, PREFIXES_PER_NODE).map(
    lambda prefixes: Announcement(bytes(32), 1, bytes(8), ((64, bytes(16)),) * prefixes)
)
ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.builds(
        Update, NODES, st.builds(distance, st.integers(0, 1 << 40), st.integers(0, 1 << 31)), st.none() | ANNOUNCEMENTS
    ),
    st.builds(SeqnoRequest, NODES, st.integers(0, 1 << 40), st.integers(0, 64)),
    st.builds(RouteRequest, NODES),
    st.builds(Pin, NODES, NODES, st.booleans(), st.none() | st.just(HomeRecord(bytes(32), 1, 1, bytes(8), bytes(16)))),
    st.builds(Digest, NODES, st.integers(0, 1 << 20)),
)


@given(st.lists(ITEMS, max_size=20))
def test_items_weigh_what_their_encoding_does(items: list[Item]) -> None:
    assert items_bytes(items) == sum(len(encode_item(item)) for item in items)


def test_a_batch_weighs_its_segments_and_their_acknowledgements() -> None:
    assert batch_bytes(10) == 10 + 2 * SEGMENT_OVERHEAD
    assert batch_bytes(SEGMENT_ROOM * 2) == SEGMENT_ROOM * 2 + 3 * SEGMENT_OVERHEAD
