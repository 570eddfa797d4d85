"""Whole nodes in memory: they agree with the routing engines alone, and keep what links and NATs demand of them."""

from pathlib import Path
from typing import Any

import pytest

from sim.net.node_mesh import NodeMesh
from sim.play.actions import start
from sim.play.run import NODE, ROUTING, Run, RunSpec, run

QUIET_CUT = """
about = "A link is cut that nobody watches."
[[steps]]
do = "start"
[[steps]]
do = "settle"
[[steps]]
do = "cut"
link = "carrying"
[[steps]]
do = "settle"
"""


def summary(scenario: str, *, nodes: int = 12, seed: int = 1, **parameters: Any) -> Any:
    return list(run(RunSpec("ba:m=2", nodes, scenario, seed, NODE, parameters)))[-1]


def next_hops(begun: Run) -> dict[tuple[int, int], int]:
    """Runs to the end and returns the next hop of each pair."""
    assert list(begun.records())[-1]["violations"] == 0
    mesh = begun.stage.mesh
    return {
        (mesh.index_of[node], mesh.index_of[destination]): mesh.index_of[hop]
        for node, table in mesh.tables.items()
        for destination, hop in table.items()
    }


@pytest.mark.parametrize(
    "scenario",
    [
        "start",
        "cut:flows=10",
        "mend:flows=10",
        "oneway:flows=10",
        "restart:flows=10",
        "partition:flows=5,parted_s=3.0",
        "join:joining=5",
        "move:flows=5",
        "clock",
        "roam:flows=5",
        "nat:flows=5,minutes=1.0",
        "nat:flows=5,minutes=1.0,mapping=address-and-port-dependent",
    ],
)
def test_no_scenario_breaks_an_invariant(scenario: str) -> None:
    found = summary(scenario)
    assert (found["violations"], found["loops"], found["metric_mismatches"]) == (0, 0, 0)


@pytest.mark.parametrize("scenario", ["start", "cut:flows=10", "mend:flows=10"])
def test_both_fidelities_choose_the_same_next_hops(scenario: str) -> None:
    found = [next_hops(Run(RunSpec("ba:m=2", 14, scenario, 6, fidelity))) for fidelity in (ROUTING, NODE)]
    assert len(found[0]) == 14 * 13
    assert found[0] == found[1]


@pytest.mark.parametrize(("fidelity", "parameters"), [(ROUTING, {"detection_s": 2.0}), (NODE, {})])
def test_a_mesh_has_not_settled_before_a_cut_is_noticed(
    fidelity: str, parameters: dict[str, Any], tmp_path: Path
) -> None:
    scenario = tmp_path / "quiet.toml"
    scenario.write_text(QUIET_CUT)
    begun = Run(RunSpec("ba:m=2", 14, str(scenario), 5, fidelity, parameters))
    assert list(begun.records())[-1]["violations"] == 0
    mesh = begun.stage.mesh
    ((one, other),) = begun.stage.chosen
    for node, neighbour in ((one, other), (other, one)):
        assert mesh.address(neighbour) not in mesh.tables[mesh.address(node)].values()


def test_real_ciphers_choose_the_same_next_hops_in_the_same_bytes() -> None:
    runs = [Run(RunSpec("ba:m=2", 8, "start", 2, NODE, {"real_crypto": real})) for real in (False, True)]
    assert next_hops(runs[0]) == next_hops(runs[1])
    null, real = (begun.stage.total_bytes() for begun in runs)
    assert null == real


def test_whole_nodes_notice_a_silent_cut_under_traffic_and_heal_within_half_a_second() -> None:
    found = summary("cut:flows=10", nodes=20)
    assert found["outage_s"]["max"] < 0.5
    assert found["pings"]["longest_gap_s"] < 0.6
    assert found["pings"]["arrived"] > 0.8 * found["pings"]["sent"]


def test_a_node_that_gets_another_address_keeps_its_links() -> None:
    begun = Run(RunSpec("ba:m=2", 12, "roam:flows=10", 1, NODE))
    last = list(begun.records())[-1]
    assert last["pings"]["longest_gap_s"] < 0.3
    assert last["outage_s"] is None


def test_a_lossy_link_loses_packets_but_no_route() -> None:
    found = summary("cut:flows=5", loss=0.02, reorder=0.05, duplicate=0.02)
    assert found["violations"] == 0


def test_nodes_behind_nats_are_linked_and_reached() -> None:
    begun = Run(RunSpec("ba:m=2", 12, "nat:flows=10,minutes=2.0", 1, NODE))
    last = list(begun.records())[-1]
    assert isinstance(begun.stage.mesh, NodeMesh)
    assert last["violations"] == 0
    assert last["pings"]["arrived"] > 0.95 * last["pings"]["sent"]


def test_a_node_that_has_moved_can_be_unlinked_and_linked_anew() -> None:
    begun = Run(RunSpec("ring", 4, "roam:flows=2", 1, NODE))
    assert list(begun.records())[-1]["violations"] == 0
    mesh = begun.stage.mesh
    mesh.remove_link(0, 1)
    mesh.add_link(0, 2, delay_s=0.01)
    mesh.mend(0, 2)
    list(begun.stage.pass_time(2.0))
    assert mesh.carries(0, 2)
    assert mesh.carries(2, 0)


def test_a_start_among_starved_nodes_leaves_no_wrong_cost_behind() -> None:
    stage = Run(RunSpec("ba:m=2", 12, "start", 1, NODE)).stage
    mesh = stage.mesh
    assert isinstance(mesh, NodeMesh)
    list(start(stage))
    for _ in range(30):
        for node in stage.dice.sample(range(12), 7):
            mesh.starve(node, stage.dice.uniform(0.0, 0.6))
        list(stage.pass_time(0.3))
    list(stage.pass_time(30.0))
    for (low, high), link in mesh.links.items():
        for node, neighbour in ((low, high), (high, low)):
            engine = mesh.engine(node)
            assert engine is not None
            assert engine.link_costs()[mesh.address(neighbour)] == pytest.approx(
                mesh.cost_of(link, node), rel=0.2, abs=60
            )
