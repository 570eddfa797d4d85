"""The oracle: wrong, changed and missing routes are found."""

from mycelium.wire.control import Update
from mycelium.wire.distance import INFINITY, distance
from sim.play.oracle import Oracle
from sim.play.run import Run, RunSpec


def test_a_wrong_metric_is_counted_and_named() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    engine = begun.stage.mesh.engine(2)
    assert engine is not None
    engine._table.rows[begun.stage.mesh.address(5)].metric += 1
    count, named = begun.stage.oracle.mismatches()
    assert count == 1
    assert (named[0]["node"], named[0]["destination"]) == (2, 5)


def test_a_node_that_was_right_is_judged_anew_when_it_has_chosen_another_route() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    mesh, oracle = begun.stage.mesh, begun.stage.oracle
    engine = mesh.engine(2)
    assert engine is not None
    assert oracle.converged() == 6
    announcement = engine.resolve(mesh.address(5))
    assert announcement is not None
    lie = Update(mesh.address(5), distance(announcement.sequence, 1))
    engine.receive(mesh.address(1), [lie], now=mesh.now)
    assert oracle.converged() == 5


def test_a_node_is_not_right_that_lacks_a_route() -> None:
    begun = Run(RunSpec("ring", 6, "start"))
    list(begun.records())
    mesh = begun.stage.mesh
    engine = mesh.engine(2)
    assert engine is not None
    del engine._table.rows[mesh.address(5)], engine.forwarding.next_hop[mesh.address(5)]
    oracle = Oracle(mesh)
    oracle.refresh()
    assert oracle.converged() == 5
    assert oracle.mismatches()[1] == [
        {"node": 2, "destination": 5, "metric": INFINITY, "expected": oracle.metric(2, 5)}
    ]
