"""Who stands as a landmark, and where a node is at home."""

from msgspec.structs import replace

from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import Pin, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import QUICK, address, announcement
from tests.routing.lab import RoutingLab, seq, update

SMALL = replace(
    QUICK, scope=4, landmark_after_s=100.0, landmark_wait_s=1.0, landmark_surplus_s=50.0, landmark_least_s=200.0
)
ONE, OTHER = 60, 61  # landmarks


def full_lab() -> RoutingLab:
    """Returns node 0, whose scope is full, and which has two links."""
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(8)))
    lab.flush()
    return lab


def landmark(name: int, metric: int) -> Update:
    return Update(address(name), distance(seq(), metric), announcement(name, seq(), flags=LANDMARK))


def own_flags(lab: RoutingLab) -> int:
    found = lab.engine.resolve(address(0))
    assert found is not None
    return found.flags


def test_a_node_with_a_full_table_and_no_landmark_near_stands_up_once_it_is_old_enough() -> None:
    lab = full_lab()
    lab.wait(100.0)
    assert not lab.engine.is_landmark
    lab.wait(13.0)  # 1 s x 16 / 2 links, and half as much more
    assert lab.engine.is_landmark
    assert own_flags(lab) == LANDMARK


def test_a_node_whose_table_is_not_full_never_stands_up() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1)
    lab.says(1, update(10, 10))
    lab.wait(1_000.0)
    assert not lab.engine.is_landmark


def test_a_node_with_two_landmarks_near_does_not_stand_up() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 1), landmark(OTHER, 2))
    lab.wait(300.0)
    assert not lab.engine.is_landmark


def test_a_landmark_among_many_stands_down_but_not_soon() -> None:
    lab = full_lab()
    lab.wait(113.0)
    lab.says(1, *(landmark(-1 - name & 0xFF, 1) for name in range(3)))
    lab.wait(400.0)
    assert lab.engine.is_landmark  # there are not many
    lab = RoutingLab(replace(SMALL, scope=12))
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(20)))
    lab.wait(113.0)
    assert lab.engine.is_landmark
    lab.says(1, *(landmark(name, 1) for name in range(100, 108)))
    lab.wait(400.0)
    assert lab.engine.is_landmark  # those come after it


def test_a_landmark_stands_down_where_tables_hold_everybody_again() -> None:
    lab = full_lab()
    lab.wait(113.0)
    assert lab.engine.is_landmark
    lab.says(1, *(Update(address(10 + far), distance(seq(), INFINITY)) for far in range(8)))
    lab.wait(150.0)
    assert lab.engine.is_landmark
    lab.wait(60.0)
    assert not lab.engine.is_landmark
    assert own_flags(lab) == 0


def test_the_nearest_landmark_is_the_home_until_another_is_clearly_nearer() -> None:
    lab = full_lab()
    lab.says(2, landmark(ONE, 1_000))
    told = lab.wait(1.0)
    assert lab.engine.home == address(ONE)
    assert Pin(address(0), address(ONE), is_pinned=True) in told[2]
    lab.says(1, landmark(OTHER, 900))
    lab.wait(1.0)
    assert lab.engine.home == address(ONE)
    lab.says(1, landmark(OTHER, 500))
    told = lab.wait(1.0)
    assert lab.engine.home == address(OTHER)
    assert Pin(address(0), address(ONE), is_pinned=False) in told[2]
    assert Pin(address(0), address(OTHER), is_pinned=True) in told[1]


def test_a_lost_home_is_left_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000))
    lab.wait(1.0)
    assert lab.engine.home == address(ONE)
    lab.says(1, Update(address(ONE), distance(seq(), INFINITY)))
    told = lab.wait(0.003)
    assert lab.engine.home == address(OTHER)
    assert Pin(address(0), address(OTHER), is_pinned=True) in told[1]
    lab.says(1, Update(address(OTHER), distance(seq(), INFINITY)))
    lab.wait(0.003)
    assert lab.engine.home is None
