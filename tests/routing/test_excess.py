"""Who asks too much is named once for each thing, however often."""

from mycelium.limits import STARTS_AT_ONCE
from mycelium.routing.excess import CHANGES, STARTS, Excesses
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


def test_each_excess_is_taken_once() -> None:
    excesses = Excesses()
    for node, cause in ((b"a", STARTS), (b"b", STARTS), (b"a", STARTS), (b"a", CHANGES)):
        excesses.note(node, cause)
    assert excesses.take() == [(b"a", STARTS), (b"b", STARTS), (b"a", CHANGES)]
    assert excesses.take() == []


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
