"""The actions of scenarios: what each does to a mesh."""

from typing import Any

import pytest

from mycelium.errors import ConfigError
from sim.net.mesh import FIRST_EPOCH
from sim.play.actions import ACTIONS, perform
from sim.play.run import NODE
from sim.play.stage import Stage
from tests.sim.play.support import exhaust, make_stage, settled_stage


@pytest.fixture
def stage() -> Stage:
    return settled_stage("ring", 6)


def do(stage: Stage, what: str, **arguments: Any) -> None:
    exhaust(perform(stage, what, arguments))


def open_links(stage: Stage) -> set[tuple[int, int]]:
    return {edge for edge, link in stage.mesh.links.items() if link.is_open}


def test_a_start_can_be_spread_over_some_time() -> None:
    stage = make_stage("ring", 6)
    steps = perform(stage, "start", {"spread_s": 2.0})
    next(steps)
    assert len(stage.mesh.links) == 6
    assert len(list(stage.mesh.running())) < 6
    exhaust(steps)
    assert (len(list(stage.mesh.running())), stage.mesh.now) == (6, 2.0)


def test_cut_links_are_chosen_and_mended(stage: Stage) -> None:
    do(stage, "cut", link=[0, 1])
    assert stage.chosen == [(0, 1)]
    assert (0, 1) not in open_links(stage)
    do(stage, "mend")
    assert len(open_links(stage)) == 6


def test_one_direction_of_a_link_can_be_cut(stage: Stage) -> None:
    do(stage, "cut", link=[0, 1], one_way=True)
    link = stage.mesh.link(0, 1)
    assert (link.carries(0), link.carries(1)) == (False, True)


def test_a_flapping_link_is_up_again_in_the_end(stage: Stage) -> None:
    before = stage.mesh.now
    do(stage, "flap", link=[0, 1], times=3, down_s=0.5, up_s=0.25)
    assert stage.mesh.now - before == pytest.approx(3 * 0.75)
    assert (0, 1) in open_links(stage)


def test_costs_are_multiplied_and_divided_and_loss_is_set(stage: Stage) -> None:
    link = stage.mesh.link(0, 1)
    before = link.round_trip_s
    do(stage, "cost", link=[0, 1], factor=3.0, divide_by=2.0, loss=0.1)
    assert link.round_trip_s == pytest.approx(1.5 * before)
    assert [wire.model.loss for wire in link.directions.values()] == [0.1, 0.1]


def test_jitter_spans_a_share_of_the_delay_in_either_direction(stage: Stage) -> None:
    model = stage.mesh.link(0, 1).directions[0].model
    do(stage, "jitter", link=[0, 1], share=0.2)
    after = stage.mesh.link(0, 1).directions[0].model
    assert after.delay_s == pytest.approx(0.8 * model.delay_s)
    assert after.delay_s + after.jitter_s == pytest.approx(1.2 * model.delay_s)


def test_lossy_links_lose_in_both_directions(stage: Stage) -> None:
    do(stage, "choose", link=[0, 1])
    do(stage, "lose", share=0.25)
    assert [wire.model.loss for wire in stage.mesh.link(0, 1).directions.values()] == [0.25, 0.25]


def test_a_partition_cuts_all_links_between_its_parts_and_a_merge_mends_them(stage: Stage) -> None:
    do(stage, "partition", share=0.5)
    assert len(stage.severed) == 2
    assert open_links(stage) == set(stage.mesh.links) - set(stage.severed)
    do(stage, "merge")
    assert stage.severed == []
    assert len(open_links(stage)) == 6


def test_a_restarted_node_is_back_with_a_newer_epoch_or_with_an_older_one(stage: Stage) -> None:
    do(stage, "restart", node=3, down_s=1.0)
    assert stage.mesh.engine(3) is not None
    assert stage.mesh.epochs[3] > FIRST_EPOCH
    do(stage, "restart", node=3, down_s=1.0, back_s=3_600)
    assert stage.mesh.epochs[3] < FIRST_EPOCH


def test_churn_restarts_about_as_many_nodes_as_its_rate_says(stage: Stage) -> None:
    before = stage.mesh.now
    do(stage, "churn", share_per_minute=1.0, minutes=2.0, down_s=0.5)
    records = stage.take_records()
    assert 4 <= sum(record.get("what") == "restart" for record in records) <= 24
    assert stage.mesh.now - before == pytest.approx(120.0)
    (sent,) = [record for record in records if record["type"] == "traffic"]
    assert (sent["during"], sent["mean"]) == ("churn", stage.bytes_per_s["churn"])


def test_new_nodes_join_with_links_to_running_ones(stage: Stage) -> None:
    do(stage, "join", nodes=2, links=2, spread_s=0.5)
    assert list(stage.mesh.running()) == list(range(8))
    assert all(sum(node in edge for edge in stage.mesh.links) >= 2 for node in (6, 7))


def test_a_moved_node_has_other_neighbours(stage: Stage) -> None:
    do(stage, "move", node=0, links=2)
    neighbours = {node for edge in stage.mesh.links if 0 in edge for node in edge} - {0}
    assert len(neighbours) == 2
    assert not neighbours & {1, 5}


def test_an_idle_mesh_is_measured(stage: Stage) -> None:
    do(stage, "idle", minutes=1.0)
    (sent,) = [record for record in stage.take_records() if record["type"] == "traffic"]
    assert (sent["during"], sent["s"]) == ("idle", 60.0)
    assert 0 < sent["mean"] < 100
    assert stage.bytes_per_s == {"idle": sent["mean"]}


def test_the_oracle_looks_at_a_mesh_that_changes_all_the_time_only_now_and_then(stage: Stage) -> None:
    do(stage, "churn", share_per_minute=20.0, minutes=0.5, down_s=0.5)
    times = [record["t"] for record in stage.take_records() if record["type"] == "sample"]
    assert 1 <= len(times) <= 7


def test_flows_are_watched_between_given_random_and_chosen_pairs(stage: Stage) -> None:
    do(stage, "watch", pair=[1, 4])
    do(stage, "watch", flows=3)
    do(stage, "watch", flows=2, across=[2, 3])
    flows = [(flow.source, flow.destination) for flow in stage.flows.flows]
    assert (flows[0], len(flows)) == ((1, 4), 6)
    assert all({2, 3} <= set(flow.path) for flow in stage.flows.flows[4:])


def test_a_liar_is_restarted_and_lies(stage: Stage) -> None:
    do(stage, "lie", node=2, how="attract")
    assert stage.mesh.liars == {2: "attract"}
    assert stage.mesh.epochs[2] > FIRST_EPOCH


def test_time_passes_while_a_scenario_waits(stage: Stage) -> None:
    before = stage.mesh.now
    do(stage, "wait", s=2.5)
    assert stage.mesh.now - before == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("what", "arguments", "complaint"),
    [("dance", {}, "'dance' is not an action"), ("lie", {"how": "white"}, "'white' is not a kind of lie")],
)
def test_what_cannot_be_done_is_a_clear_error(stage: Stage, what: str, arguments: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        do(stage, what, **arguments)


def test_whole_nodes_do_not_lie() -> None:
    with pytest.raises(ConfigError, match="--fidelity routing"):
        do(make_stage("ring", 4, NODE), "lie")


def test_every_action_describes_itself() -> None:
    assert all((action.__doc__ or "").strip().endswith(".") for action in ACTIONS.values())
