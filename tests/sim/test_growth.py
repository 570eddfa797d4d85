"""Meshes that grow tenfold, and shrink again: landmarks stand up and down by themselves."""

from collections.abc import Callable
from typing import Any, Final

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.landmarks import MANY_LINKS
from sim.play.stage import Stage
from tests.sim.play.support import exhaust, make_stage

FEW, MANY, SCOPE = 10, 100, 12
AFTER_S, WAIT_S, SURPLUS_S, LEAST_S = 5.0, 1.0, 6.0, 20.0
# from the start of a node with two links, the least here, until it stands up if it ever does
UP_WITHIN_S: Final = AFTER_S + WAIT_S * MANY_LINKS / 2 * 1.5
SPREAD_S: Final = 5.0  # in which nodes come, or go


def engines(stage: Stage) -> list[RoutingEngine]:
    found = [stage.mesh.engine(node) for node in stage.mesh.running()]
    return [engine for engine in found if engine is not None]


def landmarks(stage: Stage) -> int:
    return sum(engine.is_landmark for engine in engines(stage))


def unreached(stage: Stage) -> list[tuple[int, int]]:
    """Returns the pairs of which one does not reach the other."""
    running = list(stage.mesh.running())
    return [(one, other) for one in running for other in running if stage.flows.path(one, other)[1]]


def change(stage: Stage, act: Callable[[int], None]) -> None:
    """Has all but the first nodes do something within SPREAD_S."""
    for node in range(FEW, MANY):
        stage.mesh.heap.after(stage.dice.uniform(0.0, SPREAD_S), act, node)
    exhaust(stage.pass_time(SPREAD_S))


def small_mesh() -> Stage:
    """Returns a mesh of few nodes, whose tables hold all, and which has links to more that have not started."""
    quick: dict[str, Any] = {
        "landmark_after_s": AFTER_S,
        "landmark_wait_s": WAIT_S,
        "landmark_surplus_s": SURPLUS_S,
        "landmark_least_s": LEAST_S,
    }
    stage = make_stage("ba:m=2", MANY, scope=SCOPE, **quick)
    for one, other, data in stage.graph.edges(data=True):
        stage.mesh.add_link(one, other, delay_s=data["delay"]).open()
    for node in range(FEW):
        stage.mesh.start(node)
    return stage


def test_landmarks_stand_up_in_a_mesh_that_grows_tenfold_and_down_when_it_shrinks_again() -> None:
    stage = small_mesh()
    exhaust(stage.pass_time(2 * UP_WITHIN_S))
    assert landmarks(stage) == 0

    change(stage, stage.mesh.start)
    exhaust(stage.pass_time(UP_WITHIN_S))
    exhaust(stage.settle(within_s=5.0))
    assert 3 <= landmarks(stage) <= 12
    assert all(engine.is_landmark or len(engine.landmarks.homes) == 2 for engine in engines(stage))
    assert unreached(stage) == []

    change(stage, stage.mesh.stop)
    exhaust(stage.settle(within_s=5.0))
    exhaust(stage.pass_time(LEAST_S))
    assert landmarks(stage) == 0
    assert all(len(engine.forwarding.next_hop) == FEW - 1 for engine in engines(stage))
    assert unreached(stage) == []
