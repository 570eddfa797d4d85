"""Who stands as a landmark, and where a node is at home."""

import pytest
from msgspec.structs import replace

from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import Item, Pin, Update
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.home_record import NOWHERE, HomeRecord
from tests.routing.engines import QUICK, address, announcement, home_record
from tests.routing.lab import RoutingLab, seq, update

SMALL = replace(
    QUICK, scope=4, landmark_after_s=100.0, landmark_wait_s=1.0, landmark_surplus_s=50.0, landmark_least_s=200.0
)
ONE, OTHER, THIRD = 60, 61, 62  # landmarks


def full_lab(parameters: RoutingParameters = SMALL) -> RoutingLab:
    """Returns node 0, whose scope is full, and which has two links."""
    lab = RoutingLab(parameters)
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


def stands_up(*metrics: int, links: int = 2) -> bool:
    """Tells whether node 0, whose scope reaches as far as 1,000, stands up where it knows landmarks of these metrics."""
    lab = RoutingLab(SMALL)
    lab.up(*range(1, 1 + links))
    lab.says(1, *(update(100 + far, 990) for far in range(8)))
    lab.says(2, *(landmark(200 + index, metric - 10) for index, metric in enumerate(metrics)))
    lab.wait(150.0)
    return lab.engine.is_landmark


def test_a_landmark_is_near_that_is_hardly_farther_than_the_scope_reaches() -> None:
    assert stands_up(1_000)
    assert stands_up(1_000, 1_101)
    assert not stands_up(1_000, 1_100)


def test_a_hub_stands_up_where_fewer_than_four_landmarks_are_in_its_scope() -> None:
    assert not stands_up(1_000, 1_000, links=31)
    assert stands_up(1_000, 1_000, 1_000, links=32)
    assert stands_up(1_000, 1_000, 1_000, 1_001, links=32)
    assert not stands_up(1_000, 1_000, 1_000, 1_000, links=32)


@pytest.mark.parametrize("links", [2, 32])
def test_where_landmarks_are_far_away_in_general_those_up_to_twice_as_far_are_near_too(links: int) -> None:
    wanted = 2 if links == 2 else 4
    others = wanted + 1  # so that the median is one of these
    assert not stands_up(*[2_000] * wanted, *[6_000] * others, links=links)
    assert stands_up(2_001, *[2_000] * (wanted - 1), *[60_000] * others, links=links)
    assert not stands_up(*[1_500] * wanted, *[4_500] * others, links=links)
    assert stands_up(*[1_500] * wanted, *[4_490] * others, links=links)


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


def test_a_new_landmark_is_no_lost_route_and_waits_as_long_as_any_other_route_to_be_told() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 500))
    wait_s = (SMALL.urgent_batch_s + SMALL.batch_s) / 2
    assert lab.wait(wait_s) == {}
    assert lab.updates(lab.wait(SMALL.batch_s - wait_s), ONE) == {2: [(0, 510)]}


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
    assert homes_of(lab) == [ONE]
    assert record_told(told, 2, ONE) == home_record(0, 1, address(ONE), sequence=lab.engine.sequence)
    lab.says(1, landmark(OTHER, 900))
    told = lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.says(1, landmark(OTHER, 500))
    told = lab.wait(1.0)
    assert homes_of(lab) == [OTHER, ONE]
    assert record_told(told, 1, OTHER).number == record_told(told, 2, ONE).number == 3


def homes_of(lab: RoutingLab) -> list[int]:
    """Returns the landmarks that node 0 is at home at, by their names."""
    return [name for home in lab.engine.landmarks.homes for name in (ONE, OTHER, THIRD) if address(name) == home]


def record_told(told: dict[int, list[Item]], neighbour: int, home: int) -> HomeRecord:
    """Returns the newest record of node 0 that came to a neighbour with a pin towards a home."""
    records = [item.record for item in told[neighbour] if isinstance(item, Pin) and item.home == address(home)]
    assert records
    assert records[-1] is not None
    return records[-1]


def test_a_third_landmark_takes_the_place_of_the_backup_only_if_clearly_nearer() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100))
    lab.says(2, landmark(OTHER, 1_000))
    lab.wait(1.0)
    lab.says(1, landmark(THIRD, 900))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.says(1, landmark(THIRD, 700))
    told = lab.wait(1.0)
    assert homes_of(lab) == [ONE, THIRD]
    assert Pin(address(0), address(OTHER), is_pinned=False) in told[2]


def test_a_lost_home_is_left_for_the_backup_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000))
    lab.wait(1.0)
    assert lab.engine.home == address(ONE)
    lab.says(1, Update(address(ONE), distance(seq(), INFINITY)))
    told = lab.wait(0.003)
    assert homes_of(lab) == [OTHER]
    assert record_told(told, 1, OTHER).backup == NOWHERE
    lab.says(1, Update(address(OTHER), distance(seq(), INFINITY)))
    lab.wait(0.003)
    assert lab.engine.home is None


def test_a_home_at_which_the_node_was_not_found_is_avoided_where_there_is_another() -> None:
    lab = full_lab(replace(SMALL, home_avoided_s=20.0))
    lab.says(1, landmark(ONE, 100))
    lab.wait(1.0)
    lab.engine.landmarks.avoid(now=lab.now)
    lab.wait(1.0)
    assert homes_of(lab) == [ONE]
    lab.says(1, landmark(OTHER, 1_000))
    lab.wait(1.0)
    assert homes_of(lab) == [OTHER]
    lab.wait(20.0)
    lab.says(1, landmark(THIRD, 10_000))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]


def test_a_home_at_which_the_node_was_not_found_is_left_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.engine.landmarks.avoid(now=lab.now)
    lab.wait(0.003)
    assert homes_of(lab) == [OTHER]


def test_an_operator_decides_whether_a_node_stands() -> None:
    lab = RoutingLab(replace(SMALL, standing=Standing.YES))
    assert own_flags(lab) == LANDMARK
    lab.up(1)
    lab.wait(1_000.0)
    assert lab.engine.is_landmark
    for parameters in (replace(SMALL, standing=Standing.NO), replace(SMALL, is_leaf=True)):
        lab = full_lab(parameters)
        lab.wait(1_000.0)
        assert not lab.engine.is_landmark


def test_a_landmark_knows_the_nodes_that_have_it_as_a_home() -> None:
    lab = RoutingLab(replace(SMALL, standing=Standing.YES))
    lab.up(1)
    own, at_home, elsewhere = address(0), home_record(10, 1, address(0)), home_record(11, 1, address(ONE))
    lab.says(
        1, Pin(address(10), own, True, at_home), Pin(address(11), own, True, elsewhere), Pin(address(12), own, True)
    )
    assert dict(lab.engine.landmarks.homed()) == {address(10): at_home}
    assert list(lab.engine.landmarks.reached()) == [(0, own)]
    lab.says(1, Pin(address(10), own, is_pinned=False))
    lab.flush()
    assert dict(lab.engine.landmarks.homed()) == {}


def test_a_home_without_room_is_left_for_another_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000))
    lab.says(2, landmark(THIRD, 2_000))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.says(1, Pin(address(0), address(ONE), is_pinned=False))
    told = lab.wait(0.01)
    assert homes_of(lab) == [OTHER, THIRD]
    assert record_told(told, 2, THIRD).homes == (address(OTHER), address(THIRD))
    lab.says(1, Pin(address(0), address(OTHER), is_pinned=False))
    lab.wait(0.01)
    assert homes_of(lab) == [THIRD]
    lab.says(2, Pin(address(0), address(THIRD), is_pinned=False))
    told = lab.wait(1.0)
    assert not any(isinstance(item, Pin) and item.is_pinned for item in told.get(2, [])), "nobody is asked again"


def test_the_only_home_is_asked_again_an_hour_after_it_had_no_room() -> None:
    lab = full_lab(replace(SMALL, standing=Standing.NO))
    lab.says(1, landmark(ONE, 100))
    lab.wait(1.0)
    lab.says(1, Pin(address(0), address(ONE), is_pinned=False))
    told = lab.wait(RoutingParameters().home_avoided_s - 1)
    assert not any(isinstance(item, Pin) for item in told[1])
    assert record_told(lab.wait(2.0), 1, ONE).homes == (address(ONE),)


def test_a_pin_that_is_too_much_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.pins.PINS_PER_NEIGHBOUR", 1)
    lab = full_lab()
    lab.says(2, landmark(ONE, 100))
    lab.wait(1.0)
    lab.says(1, *(Pin(address(node), address(ONE), is_pinned=True) for node in (70, 71)))
    assert [item for item in lab.wait(0.01)[1] if isinstance(item, Pin)] == [Pin(address(71), address(ONE), False)]
    assert lab.count("pins_refused") == 1
