"""Updates of consecutive rows reach just the neighbours that they are for, in order."""

from mycelium.routing.update_run import UpdateRun
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, update


def test_a_run_goes_to_its_receivers_in_order_once_others_are_named() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    table = lab.engine._table
    one, two, three = (table.by_address[address(name)] for name in (1, 2, 3))
    run = UpdateRun(table)
    run.end(one.bit | three.bit)
    first, second = update(5, 10), update(6, 10)
    run.updates += (first, second)
    assert one.updates == []
    run.end(two.bit)
    assert (one.updates, two.updates, three.updates) == ([first, second], [], [first, second])
    run.end()
    assert two.updates == [], "nothing was to be told"
