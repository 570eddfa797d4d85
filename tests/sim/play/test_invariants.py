"""Invariants: planted violations are found, and nothing else is."""

from sim.net.routing_mesh import RoutingMesh
from sim.play.run import Run, RunSpec
from tests.sim.play.support import violation_of


def test_a_planted_loop_is_caught_with_what_it_takes_to_see_it_again() -> None:
    begun = Run(RunSpec("ring", 8, "idle:minutes=1.0"))
    mesh = begun.stage.mesh

    def plant() -> None:
        one, other, target = (mesh.address(node) for node in (0, 1, 4))
        mesh.tables[one][target], mesh.tables[other][target] = other, one
        engine = mesh.engine(0)
        assert engine is not None
        engine.changes.append((mesh.now, target, None, other, "planted"))
        begun.stage.routes_changed(0)

    mesh.heap.at(5.0, plant)
    found = violation_of(begun)
    assert (found["what"], found["destination"], sorted(found["nodes"])) == ("loop", 4, [0, 0, 1])
    assert "--topology ring --nodes 8 --scenario idle:minutes=1.0 --seed 1" in found["reproduce"]["command"]
    assert found["reproduce"]["steps"][0] == {"do": "start"}
    assert {event["node"] for event in found["last_events"]} & {0, 1}


def test_a_loop_through_a_dead_link_carries_nothing_and_is_none() -> None:
    begun = Run(RunSpec("ring", 8, "start"))
    assert list(begun.records())[-1]["violations"] == 0
    mesh = begun.stage.mesh
    one, other, target = (mesh.address(node) for node in (0, 1, 4))
    mesh.cut(0, 1)
    mesh.tables[one][target], mesh.tables[other][target] = other, one
    engine = mesh.engine(0)
    assert engine is not None
    engine.changes.append((mesh.now, target, None, other, "planted"))
    begun.stage.loops.check(0)
    assert begun.stage.loops.loops == 0


def test_a_forger_that_were_believed_would_be_caught() -> None:
    begun = Run(RunSpec("ba:m=2", 20, "liar"))
    assert isinstance(begun.stage.mesh, RoutingMesh)
    begun.stage.mesh.verify = lambda statement: True
    assert violation_of(begun)["what"] in ("forged announcement", "not settled")
