"""A hub tells some tables after the other, as fast as they are acknowledged, and waits for nobody who does not."""

import pytest

from mycelium.limits import DUMP_ROWS_AT_ONCE, DUMPED_AT_ONCE, DUMPS_UNTAKEN_BYTES
from mycelium.routing.dumps import AWAITED_S, FEW, ROUND_S, Dumps
from mycelium.routing.neighbour import Neighbour
from tests.routing.engines import address
from tests.routing.lab import RoutingLab


def crowd(count: int) -> tuple[RoutingLab, Dumps, list[Neighbour]]:
    lab = RoutingLab()
    lab.up(*range(1, count + 1))
    return lab, Dumps(lab.engine._table), list(lab.engine._table.by_address.values())


def test_more_of_tables_is_told_once_most_of_what_was_told_is_acknowledged() -> None:
    _, dumps, (one, two, *_) = crowd(FEW + 1)
    untaken = {one.address: DUMPS_UNTAKEN_BYTES - 1, two.address: 1}

    def room() -> int:
        return dumps.room(1, lambda neighbour: untaken.get(neighbour, 0), now=5.0)

    assert room() == DUMP_ROWS_AT_ONCE, "what they have not acknowledged is of no table"
    dumps.told(one, now=5.0)
    assert room() == DUMP_ROWS_AT_ONCE
    dumps.told(two, now=5.0)
    assert room() == 0
    untaken[two.address] = 0
    assert room() == DUMP_ROWS_AT_ONCE
    untaken[two.address] = 1
    assert room() == DUMP_ROWS_AT_ONCE, "it has acknowledged its table; this is something else"


def test_few_neighbours_are_told_side_by_side() -> None:
    _, dumps, (one, *_) = crowd(FEW)
    dumps.told(one, now=5.0)
    assert dumps.room(1, lambda neighbour: DUMPS_UNTAKEN_BYTES, now=5.0) == DUMPED_AT_ONCE


def test_those_who_were_told_long_ago_are_forgotten_where_there_are_few() -> None:
    lab = RoutingLab()
    for name in range(1, 100):
        lab.up(name)
        lab.down(name)
    assert len(lab.engine._advertiser._dumps._awaited) <= FEW


@pytest.mark.parametrize("is_down", [False, True], ids=["silent", "down"])
def test_who_acknowledges_nothing_holds_up_nobody_for_long(is_down: bool) -> None:
    lab, dumps, (one, *_) = crowd(FEW + 2)
    dumps.told(one, now=5.0)
    untaken = {one.address: DUMPS_UNTAKEN_BYTES}
    assert dumps.room(1, lambda neighbour: untaken.get(neighbour, 0), now=5.0) == 0
    if is_down:
        lab.engine.neighbour_down(address(1), now=5.0)
    at = 5.0 if is_down else 5.0 + AWAITED_S
    assert dumps.room(1, lambda neighbour: untaken.get(neighbour, 0), now=at) == DUMP_ROWS_AT_ONCE


def test_many_who_acknowledge_nothing_hold_up_those_behind_them_no_longer_than_a_round() -> None:
    _, dumps, waiting = crowd(300)
    now = 5.0
    while waiting:
        if dumps.room(len(waiting), lambda neighbour: DUMPS_UNTAKEN_BYTES, now=now):
            dumps.told(waiting.pop(), now=now)
        now += 0.01
    assert ROUND_S < now - 5.0 < 1.5 * ROUND_S
    assert dumps.room(0, lambda neighbour: DUMPS_UNTAKEN_BYTES, now=now) == 0
    now += ROUND_S / 300
    assert dumps.room(1, lambda neighbour: DUMPS_UNTAKEN_BYTES, now=now) == 0, "the next round is another"


def test_who_begins_anew_again_and_again_waits_for_those_who_were_told_nothing_yet() -> None:
    lab, dumps, (one, two, *others) = crowd(FEW + 4)
    for neighbour in others:
        neighbour.dump_due = False
    one.dump_due = two.dump_due = True
    assert dumps.waiting() == [one, two]
    dumps.told(one, now=lab.now + 1.0)
    assert dumps.waiting() == [two, one]


def test_tables_of_a_hub_s_neighbours_wait_for_those_before() -> None:
    lab = RoutingLab()
    lab.up(*range(1, FEW + 2))
    heard = {address(name) for name in range(1, FEW + 2)}
    lab.engine._advertiser._untaken_bytes = lambda neighbour: 0 if neighbour in heard else DUMPS_UNTAKEN_BYTES
    lab.engine.neighbour_up(address(100), 10, now=lab.now)
    assert 100 in lab.flush()
    lab.engine.neighbour_up(address(101), 10, now=lab.now)
    assert 101 not in lab.wait(0.05)
    heard |= {address(100), address(101)}
    assert 101 in lab.flush()
