"""A neighbour that starts its stream anew gets no fresh budgets."""

from mycelium.limits import (
    DIGESTS_AT_ONCE,
    DUMP_BACKLOG_BYTES,
    DUMPS_AT_ONCE,
    NEIGHBOURS,
    REQUESTS_PER_SECOND,
    VERIFICATIONS_AT_ONCE,
    VERIFICATIONS_PER_SECOND,
)
from mycelium.routing.budgets import BudgetTable
from mycelium.routing.excess import DIGESTS
from mycelium.wire.control import ANY_NODE, Digest, RouteRequest
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update

NODES = 400  # a portion of forged or true announcements


def test_the_budgets_of_a_neighbour_are_the_same_at_each_start() -> None:
    table = BudgetTable()
    assert table.of(address(1), now=0.0) is table.of(address(1), now=9.0)
    assert table.of(address(1), now=0.0) is not table.of(address(2), now=0.0)


def test_only_so_many_neighbours_are_remembered_and_the_one_of_longest_ago_is_forgotten() -> None:
    table = BudgetTable()
    first, second = (table.of(address(name), now=0.0) for name in (1, 2))
    for name in range(3, 2 * NEIGHBOURS + 1):
        table.of(address(name), now=0.0)
    table.of(address(1), now=1.0)
    table.of(address(2 * NEIGHBOURS + 1), now=1.0)
    assert len(table) == 2 * NEIGHBOURS
    assert table.of(address(1), now=1.0) is first
    assert table.of(address(2), now=1.0) is not second


def test_new_streams_bring_no_more_verifications() -> None:
    lab = RoutingLab()
    names = iter(range(1_000, 100_000))
    for _ in range(VERIFICATIONS_AT_ONCE // NODES // 4 + 1):
        lab.up(1)
        for _ in range(5):
            lab.says(1, *(update(next(names), 5) for _ in range(NODES)))
    assert lab.count("announcements_verified") <= VERIFICATIONS_AT_ONCE + VERIFICATIONS_PER_SECOND
    assert lab.count("announcements_over_budget") > 0


def test_new_streams_bring_no_more_requests() -> None:
    lab = RoutingLab()
    for _ in range(3):
        lab.up(1)
        lab.says(1, *(RouteRequest(address(name)) for name in range(10, 10 + REQUESTS_PER_SECOND)))
    assert lab.count("requests_dropped") >= 2 * REQUESTS_PER_SECOND - 20  # what 30 ms add


def test_a_neighbour_draws_the_whole_table_a_few_times_only() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, *(update(name, 5) for name in range(10, 110)))
    lab.flush()
    drawn = 0
    for _ in range(20):
        lab.says(1, RouteRequest(ANY_NODE))
        drawn += len(lab.wait(0.1).get(1, ()))
    assert drawn <= (DUMPS_AT_ONCE + 1) * 110


def test_a_neighbour_has_its_table_compared_a_few_times_only() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *[Digest(bytes(16), 7)] * 100)
    assert (lab.count("digests_differing"), lab.count("digests_dropped")) == (DIGESTS_AT_ONCE, 100 - DIGESTS_AT_ONCE)
    assert lab.engine.excesses.take() == [(address(1), DIGESTS)]


def test_a_dump_goes_on_when_the_neighbour_has_taken_what_it_was_told() -> None:
    lab = RoutingLab()
    lab.up(2)
    lab.says(2, *(update(name, 5) for name in range(10, 20)))
    lab.flush()
    lab.engine._advertiser._untaken_bytes = lambda neighbour: DUMP_BACKLOG_BYTES
    lab.up(1)
    assert lab.wait(1.0).get(1, []) == []
    lab.engine._advertiser._untaken_bytes = lambda neighbour: 0
    assert len(lab.wait(0.1)[1]) >= 10
