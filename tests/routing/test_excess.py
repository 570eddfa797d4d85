"""Who asks too much is named once for each thing, however often."""

from mycelium.limits import STARTS_AT_ONCE
from mycelium.routing.excess import CHANGES, NOTED_AGAIN_S, STARTS, Excesses
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
    for _ in range(STARTS_AT_ONCE + 1):
        lab.up(1)
    assert lab.engine.excesses.take() == [(address(1), STARTS)]
    lab.says(2, *(update(name, 5) for name in range(10, 500)))
    for metric in range(100):
        lab.says(2, *(update(name, 5 + metric % 7, bare=True) for name in range(10, 500)))
        lab.flush()
    assert lab.engine.excesses.take() == [(address(2), CHANGES)]
