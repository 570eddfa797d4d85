"""When our own sequence is increased."""

from msgspec.structs import replace

from mycelium.routing.duplicate import BEHIND_S, Claim, jump_past
from mycelium.wire.announcement import KEY_SHARED, LANDMARK, SEQUENCE_LIMIT
from mycelium.wire.control import SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address, announcement
from tests.routing.lab import RoutingLab, seq

FAR = 9


def test_an_origin_advances_hourly() -> None:
    lab = RoutingLab()
    lab.wait(10 * 3_600.0)
    assert 9 <= lab.count("sequence_bumps") <= 11


def test_an_origin_asked_far_ahead_grows_by_one() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, SeqnoRequest(address(0), seq(900), 5))
    assert lab.updates(lab.flush(), 0) == {1: [(1, 0)], 2: [(1, 0)]}


def test_an_origin_asked_for_what_it_has_grows_by_nothing() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, SeqnoRequest(address(0), seq(0), 5))
    assert lab.updates(lab.flush(), 0) == {1: [(0, 0)]}


def test_an_origin_grows_at_most_every_tenth_of_a_second() -> None:
    lab = RoutingLab()
    lab.up(1)
    for _ in range(50):
        lab.says(1, SeqnoRequest(address(0), lab.engine.sequence + 1, 5))
        lab.wait(0.01)
    assert 5 <= lab.count("sequence_bumps") <= 6


def test_an_origin_shown_its_own_newer_sequence_jumps_past_it() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Update(address(0), distance(seq(3, 50), INFINITY), announcement(0, seq(3, 50))))
    assert lab.engine.sequence == jump_past(seq(3, 50))
    assert lab.engine.epoch == 50
    assert lab.updates(lab.wait(0.003), 0) == {1: [(jump_past(seq(3, 50)) & 0xFFFF, 0)]}


def test_an_origin_jumps_at_most_once_in_two_seconds() -> None:
    lab = RoutingLab()
    lab.up(1)
    for epoch in (50, 60, 70):
        lab.says(1, Update(address(0), distance(seq(3, epoch), 5), announcement(0, seq(3, epoch))))
    assert lab.engine.epoch == 50
    lab.wait(1.5)
    assert lab.engine.epoch == 50
    lab.wait(1.0)
    assert lab.engine.epoch == 70


def test_a_newer_sequence_of_ours_that_we_never_signed_moves_nothing() -> None:
    lab = RoutingLab()
    lab.up(1)
    forged = replace(announcement(0, seq(3, 50)), signature=bytes(64))
    lab.says(1, Update(address(0), distance(seq(3, 50), 5), forged))
    lab.says(1, Update(address(0), distance(seq(3, 50), 5)))
    assert lab.engine.sequence == seq()


def test_a_counter_that_runs_out_carries_into_the_epoch() -> None:
    lab = RoutingLab()
    lab.up(1)
    last = announcement(0, seq(0xFFFE, 50))
    lab.says(1, Update(address(0), distance(last.sequence, 5), last))
    lab.wait(0.2)
    assert lab.engine.sequence == jump_past(last.sequence) > seq(0, 51)
    lab.says(1, SeqnoRequest(address(0), lab.engine.sequence + 1, 5))
    lab.wait(0.2)
    assert lab.engine.sequence == jump_past(last.sequence) + 1


def test_an_origin_that_yields_to_another_host_with_its_key_jumps_no_more() -> None:
    lab = RoutingLab()
    lab.up(1)
    shown = seq(3, 50)
    for _ in range(5):
        lab.says(1, Update(address(0), distance(shown, INFINITY), announcement(0, shown)))
        lab.wait(2.5)
        shown = jump_past(max(shown, lab.engine.sequence))
    assert lab.engine.claim is Claim.YIELDS
    before = lab.engine.sequence
    lab.says(1, Update(address(0), distance(shown, INFINITY), announcement(0, shown)))
    lab.wait(2.5)
    assert lab.engine.sequence == before


def test_an_origin_that_keeps_its_address_says_that_there_is_another_host_until_it_is_gone() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.engine._origin.flags = LANDMARK

    def flags() -> int:
        announcement = lab.engine.resolve(address(0))
        assert announcement is not None
        return announcement.flags

    past = seq(3, 50)
    lab.says(1, Update(address(0), distance(past, INFINITY), announcement(0, past)))
    lab.wait(0.2)
    assert (lab.engine.claim, flags()) == (None, LANDMARK), "it may have lost its state"
    lab.says(1, SeqnoRequest(address(0), lab.engine.sequence + 1, 5))
    lab.wait(BEHIND_S + 2.5)
    answer = jump_past(lab.engine.sequence)
    lab.says(1, SeqnoRequest(address(0), lab.engine.sequence + 1, 5))
    lab.wait(2.5)
    lab.says(1, Update(address(0), distance(answer, INFINITY), announcement(0, answer)))
    lab.wait(2.5)
    assert (lab.engine.claim, flags()) == (Claim.KEEPS, LANDMARK | KEY_SHARED)
    lab.engine.forget_duplicate(now=lab.now)
    lab.wait(2.5)
    assert (lab.engine.claim, flags()) == (None, LANDMARK)


def test_an_origin_at_the_last_sequence_of_all_stays_there() -> None:
    lab = RoutingLab()
    lab.engine._origin.sequence = last = SEQUENCE_LIMIT - 1
    lab.wait(3 * 3_600.0)
    assert lab.engine.sequence == last
