"""Where a node is at home, and what a landmark knows of those that are at home at it."""

import pytest
from msgspec.structs import replace

from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.wire.control import Item, Pin, Update
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.home_record import NOWHERE, HomeRecord
from tests.routing.engines import address, home_record
from tests.routing.lab import RoutingLab, seq, update
from tests.routing.landmark_lab import ONE, OTHER, SMALL, THIRD, full_lab, landmark


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


def test_a_home_stays_until_another_is_nearer_by_a_fifth() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 990), landmark(OTHER, 790))  # 1,000 and 800, with the link
    lab.says(2, landmark(THIRD, 5_000))
    lab.says(1, Update(address(OTHER), distance(seq(), INFINITY)))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, THIRD]
    lab.says(1, landmark(OTHER, 790))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.says(1, landmark(OTHER, 789))
    lab.wait(1.0)
    assert homes_of(lab) == [OTHER, ONE]


def test_only_the_loss_of_a_home_is_followed_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 1_000), landmark(THIRD, 3_000))
    lab.says(2, landmark(70, 5_000))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, THIRD]
    # the loss of a landmark that is no home, and another metric of one that is
    lab.says(1, landmark(OTHER, 100), landmark(ONE, 1_001))
    lab.says(2, Update(address(70), distance(seq(), INFINITY)))
    lab.wait(0.4)
    assert homes_of(lab) == [ONE, THIRD]
    lab.wait(0.11)
    assert homes_of(lab) == [OTHER, ONE]


def test_a_node_that_stands_up_leaves_its_homes_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 5_000))
    lab.wait(1.0)
    assert (homes_of(lab), lab.engine.landmarks.places) == ([ONE], (address(ONE),))
    while not lab.engine.is_landmark:
        told = lab.wait(0.1)
    assert (lab.engine.landmarks.homes, lab.engine.landmarks.places) == ((), (address(0),))
    assert Pin(address(0), address(ONE), is_pinned=False) in told[1]


def test_a_node_knows_whether_landmarks_are_needed_and_which_nodes_are_some() -> None:
    lab = RoutingLab(SMALL)
    lab.up(1, 2)
    lab.says(1, landmark(ONE, 100))
    assert not lab.engine.landmarks.are_needed
    lab.says(1, *(update(10 + far, 10 * (1 + far)) for far in range(8)))
    lab.flush()
    assert lab.engine.landmarks.are_needed
    assert lab.engine.landmarks.knows(address(ONE))
    assert not lab.engine.landmarks.knows(address(10))


def test_the_numbers_of_home_records_end_below_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.landmarks.NUMBER_LIMIT", 3)
    lab = full_lab()
    for name, metric, number in ((ONE, 1_000, 1), (OTHER, 500, 2), (THIRD, 200, 2)):
        lab.says(1, landmark(name, metric))
        lab.wait(1.0)
        assert lab.engine.home == address(name)
        record = lab.engine.landmarks.record
        assert record is not None
        assert record.number == number


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


def test_each_home_is_avoided_for_its_own_time() -> None:
    lab = full_lab(replace(SMALL, home_avoided_s=20.0))
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000), landmark(THIRD, 2_000))
    lab.wait(1.0)
    lab.engine.landmarks.avoid(now=lab.now)
    lab.wait(10.0)
    assert homes_of(lab) == [OTHER, THIRD]
    lab.engine.landmarks.avoid(now=lab.now)
    lab.wait(9.9)
    assert homes_of(lab) == [THIRD]
    lab.wait(0.2)
    assert homes_of(lab) == [ONE, THIRD]
    lab.wait(10.0)
    assert homes_of(lab) == [ONE, OTHER]


def test_a_home_at_which_the_node_was_not_found_is_left_at_once() -> None:
    lab = full_lab()
    lab.says(1, landmark(ONE, 100), landmark(OTHER, 1_000))
    lab.wait(1.0)
    assert homes_of(lab) == [ONE, OTHER]
    lab.engine.landmarks.avoid(now=lab.now)
    lab.wait(0.003)
    assert homes_of(lab) == [OTHER]


def test_a_landmark_knows_the_nodes_that_have_it_as_a_home() -> None:
    lab = RoutingLab(replace(SMALL, standing=Standing.YES))
    lab.up(1)
    before = lab.engine.landmarks.homed_version
    own, at_home, elsewhere = address(0), home_record(10, 1, address(0)), home_record(11, 1, address(ONE))
    lab.says(
        1, Pin(address(10), own, True, at_home), Pin(address(11), own, True, elsewhere), Pin(address(12), own, True)
    )
    assert dict(lab.engine.landmarks.homed()) == {address(10): at_home}
    assert lab.engine.landmarks.homed_version > before
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
    told = lab.wait(RoutingParameters().home_avoided_s - 0.001)
    assert not any(isinstance(item, Pin) for item in told[1])
    assert record_told(lab.wait(0.01), 1, ONE).homes == (address(ONE),)


def test_a_pin_that_is_too_much_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.pins.PINS_PER_NEIGHBOUR", 1)
    lab = full_lab()
    lab.says(2, landmark(ONE, 100))
    lab.wait(1.0)
    lab.says(1, *(Pin(address(node), address(ONE), is_pinned=True) for node in (70, 71)))
    assert [item for item in lab.wait(0.01)[1] if isinstance(item, Pin)] == [Pin(address(71), address(ONE), False)]
    assert lab.count("pins_refused") == 1
