"""Who asks too much is named once for each thing, however often."""

from mycelium.limits import STARTS_AT_ONCE, SharedRate
from mycelium.routing.excess import (
    AND_MORE,
    CHANGES,
    ECHOES,
    NAMED,
    NOTED_AGAIN_S,
    STARTS,
    SURVEYS,
    Excesses,
    NamedShare,
)
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


def test_each_excess_is_told_once_a_minute() -> None:
    excesses = Excesses()
    for second in range(3):
        for node, cause in ((b"a", STARTS), (b"b", STARTS), (b"a", STARTS), (b"a", CHANGES)):
            excesses.note(node, cause, now=second)
    assert excesses.take() == [(b"a", STARTS), (b"b", STARTS), (b"a", CHANGES)]
    assert excesses.take() == []
    excesses.note(b"a", STARTS, now=NOTED_AGAIN_S)
    assert excesses.take() == [(b"a", STARTS)]


def test_who_starts_or_changes_too_much_is_named() -> None:
    lab = RoutingLab()
    lab.up(2)
    for _ in range(STARTS_AT_ONCE + 2):  # the first two are of a link that comes up
        lab.up(1)
    assert lab.engine.excesses.take() == []
    lab.up(1)
    assert lab.engine.excesses.take() == [(address(1), STARTS)]
    lab.says(2, *(update(name, 5) for name in range(10, 500)))
    for metric in range(100):
        lab.says(2, *(update(name, 5 + metric % 7, bare=True) for name in range(10, 500)))
        lab.flush()
    assert lab.engine.excesses.take() == [(address(2), CHANGES)]


def test_of_a_crowd_that_does_the_same_few_are_named_and_the_last_stands_for_all() -> None:
    excesses = Excesses()
    for number in range(10 * NAMED):
        excesses.note(bytes([number]), ECHOES, now=0.0)
    told = excesses.take()
    assert [node for node, _ in told] == [bytes([number]) for number in range(NAMED)]
    assert [cause for _, cause in told] == [ECHOES] * (NAMED - 1) + [ECHOES + AND_MORE]
    excesses.note(b"a", STARTS, now=0.0)
    assert excesses.take() == [(b"a", STARTS)], "other causes have places of their own"


def test_a_share_names_who_takes_much_and_not_who_finds_nothing_left() -> None:
    excesses = Excesses()
    share = NamedShare(
        excesses, SURVEYS, SharedRate(10, at_once=10, little_per_second=1, little_at_once=2), keys=8, now=0.0
    )
    taken = [share.take(b"much", now=0.0) for _ in range(20)]
    assert (taken.count(True), excesses.take()) == (5, [(b"much", SURVEYS)])
    for node in (b"b", b"c", b"d", b"e", b"f"):
        share.take(node, now=0.0)
    assert excesses.take() == []
