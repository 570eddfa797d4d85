"""Who stands as a landmark."""

import pytest
from msgspec.structs import replace

from mycelium.routing.parameters import Standing
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.control import Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, seq, update
from tests.routing.landmark_lab import ONE, OTHER, SMALL, full_lab, landmark


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


@pytest.mark.parametrize(("links", "least_s", "most_s"), [(2, 4.0, 12.0), (8, 1.0, 3.0)])
def test_nodes_wait_by_chance_and_those_with_more_links_less(links: int, least_s: float, most_s: float) -> None:
    waits_s = []
    for seed in range(20):
        lab = RoutingLab(SMALL, seed=seed)
        started = lab.now
        lab.up(*range(1, 1 + links))
        lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(8)))
        lab.wait(SMALL.landmark_after_s - (lab.now - started))
        while not lab.engine.is_landmark:
            lab.wait(most_s / 100)
        waits_s.append(lab.now - started - SMALL.landmark_after_s)
    assert least_s <= min(waits_s) < least_s * 1.5
    assert most_s * 0.8 < max(waits_s) <= most_s * 1.01


def test_news_of_landmarks_does_not_put_off_that_a_node_stands_up() -> None:
    lab = full_lab()
    for second in range(113):
        lab.says(1, landmark(ONE, 5_000 + second))
        lab.wait(1.0)
    assert lab.engine.is_landmark


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


LOWER, HIGHER = range(101, 121), range(201, 221)  # names, and so addresses, before and behind that of `crowded_lab`


def crowded_lab() -> RoutingLab:
    """Returns node 200, a landmark whose scope reaches as far as 500."""
    lab = RoutingLab(replace(SMALL, scope=32), name=200)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 490) for far in range(60)))
    lab.wait(113.0)
    assert lab.engine.is_landmark
    return lab


def test_a_landmark_near_more_than_six_that_come_before_it_stands_down_but_not_soon() -> None:
    lab = crowded_lab()
    lab.says(1, *(landmark(name, 100) for name in LOWER[:7]))
    lab.wait(190.0)
    assert lab.engine.is_landmark  # since less than 200 s
    lab.wait(25.0)
    assert not lab.engine.is_landmark
    lab.wait(1_000.0)
    assert not lab.engine.is_landmark


def test_a_landmark_of_old_waits_for_fifty_seconds_whether_others_stay_many() -> None:
    lab = crowded_lab()
    lab.wait(1_000.0)
    lab.says(1, *(landmark(name, 100) for name in LOWER[:7]))
    lab.wait(49.0)
    assert lab.engine.is_landmark
    lab.says(1, Update(address(LOWER[0]), distance(seq(), INFINITY)))
    lab.wait(1_000.0)
    assert lab.engine.is_landmark
    lab.says(1, landmark(LOWER[7], 100))
    lab.wait(49.0)
    assert lab.engine.is_landmark
    lab.wait(3.0)
    assert not lab.engine.is_landmark


def test_news_of_landmarks_does_not_put_off_that_one_of_too_many_stands_down() -> None:
    lab = crowded_lab()
    lab.wait(200.0)
    for second in range(53):
        lab.says(1, *(landmark(name, 100 + second) for name in LOWER[:7]))
        lab.wait(1.0)
    assert not lab.engine.is_landmark


def test_a_landmark_near_six_that_come_before_it_and_any_that_do_not_stays_one() -> None:
    lab = crowded_lab()
    lab.says(1, *(landmark(name, 100) for name in (*LOWER[:6], *HIGHER)))
    lab.wait(1_000.0)
    assert lab.engine.is_landmark


def test_landmarks_farther_away_make_none_too_many() -> None:
    lab = crowded_lab()
    lab.says(1, *(landmark(name, 100) for name in LOWER[:6]), *(landmark(name, 541) for name in LOWER[6:10]))
    lab.wait(1_000.0)
    assert lab.engine.is_landmark
    lab.says(1, landmark(LOWER[6], 540))  # 1.1 times as far as the scope reaches, with the link
    lab.wait(60.0)
    assert not lab.engine.is_landmark


def test_a_landmark_by_the_operators_will_stays_one_among_any_number() -> None:
    lab = RoutingLab(replace(SMALL, scope=32, standing=Standing.YES), name=200)
    lab.up(1, 2)
    lab.says(1, *(update(10 + far, 490) for far in range(60)), *(landmark(name, 100) for name in LOWER))
    lab.wait(1_000.0)
    assert lab.engine.is_landmark


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


def test_a_landmark_stands_down_where_all_nodes_that_are_left_had_places_all_along() -> None:
    lab = full_lab()
    lab.wait(113.0)
    assert lab.engine.is_landmark
    lab.says(1, *(Update(address(10 + far), distance(seq(), INFINITY)) for far in range(3, 8)))
    lab.wait(SMALL.source_s + SMALL.landmark_surplus_s + 1.0)
    assert not lab.engine.is_landmark
    assert not lab.engine.landmarks.are_needed


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
