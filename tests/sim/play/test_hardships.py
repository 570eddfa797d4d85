"""Actions on whole nodes."""

from typing import Any

import pytest

from mycelium.errors import ConfigError
from sim.net.node_mesh import NodeMesh
from sim.play.actions import perform
from sim.play.run import NODE
from sim.play.stage import Stage
from tests.sim.play.support import exhaust, make_stage, settled_stage


def do(stage: Stage, what: str, **arguments: Any) -> NodeMesh:
    exhaust(perform(stage, what, arguments))
    assert isinstance(stage.mesh, NodeMesh)
    return stage.mesh


def test_nats_are_put_before_nodes_that_are_not_neighbours_and_can_be_rebound() -> None:
    stage = make_stage("ring", 6, NODE)
    mesh = do(stage, "nat", share=0.5, expiry_s=60.0)
    hidden = sorted(stage.hidden)
    assert 2 <= len(hidden) <= 3
    assert not any(stage.graph.has_edge(one, other) for one in hidden for other in hidden)
    do(stage, "start")
    exhaust(stage.settle(within_s=30.0))
    ports = {node: mesh.network.by_name[f"n{node}"].nat for node in hidden}
    assert all(nat is not None and nat.model.expiry_s == 60.0 for nat in ports.values())
    do(stage, "rebind")
    exhaust(stage.pass_time(5.0))
    assert all(mesh.carries(low, high) for low, high in mesh.links)
    with pytest.raises(ConfigError, match="not behind a NAT"):
        mesh.rebind(next(node for node in range(6) if node not in hidden))


def test_a_node_that_roams_has_another_address_and_keeps_its_links() -> None:
    stage = settled_stage("ring", 4, NODE)
    mesh = do(stage, "choose", link=[0, 1])
    before = mesh.network.by_name["n2"].addresses
    do(stage, "roam", node=2, is_told=True)
    assert not set(before) & set(mesh.network.by_name["n2"].addresses)
    exhaust(stage.pass_time(2.0))
    assert all(mesh.carries(*edge) for edge in mesh.links)


def test_second_uplinks_give_links_a_second_lane_of_which_one_can_be_cut() -> None:
    stage = make_stage("ring", 4, NODE)
    do(stage, "uplinks", delay_factor=2.0)
    mesh = do(stage, "start")
    exhaust(stage.settle(within_s=30.0))
    first, second = mesh.link(0, 1).lanes()
    assert second.round_trip_s == pytest.approx(2 * first.round_trip_s)
    do(stage, "cut_lane", link=[0, 1])
    assert sorted(lane.directions[0].is_open for lane in (first, second)) == [False, True]
    exhaust(stage.pass_time(5.0))
    assert mesh.carries(0, 1)
    assert mesh.carries(1, 0)


def test_starved_nodes_lose_no_link() -> None:
    stage = settled_stage("ring", 4, NODE)
    mesh = do(stage, "starve", for_s=0.2, every_s=2.0, minutes=0.2)
    assert [record for record in stage.take_records() if record.get("what") == "link lost"] == []
    assert all(mesh.carries(*edge) for edge in mesh.links)


def test_a_saturated_link_carries_its_bandwidth_in_both_directions() -> None:
    stage = settled_stage("line", 2, NODE)
    mesh = do(stage, "choose", link=[0, 1])
    arrived = {0: 0, 1: 0}

    def count(node: int, packet: bytes) -> None:
        arrived[node] += len(packet)

    mesh.receive_packet = count
    do(stage, "saturate", bytes_per_s=100_000.0, share=1.5, minutes=0.2)
    for received in arrived.values():
        assert 0.6 * 12 * 100_000 < received < 12 * 100_000 + 65_536


def test_a_recording_of_the_same_name_is_replayed_on_a_link(tmp_path: Any) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("time_s,link,rtt_ms\n0,n0-n1,10\n5,n0-n1,30\n0,n1-n2,50\n5,n1-n2,50\n")
    stage = settled_stage("line", 3)
    mesh, seen = stage.mesh, list[tuple[float, float]]()
    for after_s in (2.0, 7.0):
        mesh.heap.after(after_s, lambda: seen.append((mesh.link(0, 1).round_trip_s, mesh.link(1, 2).round_trip_s)))
    exhaust(perform(stage, "trace", {"file": str(file), "minutes": 0.2}))
    assert seen == [pytest.approx((0.010, 0.050)), pytest.approx((0.030, 0.050))]


@pytest.mark.parametrize("what", ["nat", "rebind", "roam", "uplinks", "cut_lane", "starve", "saturate"])
def test_engines_alone_have_no_underlay(what: str) -> None:
    with pytest.raises(ConfigError, match="--fidelity node"):
        do(make_stage(), what)


@pytest.mark.parametrize(
    ("what", "arguments", "complaint"),
    [("nat", {"mapping": "random"}, "nat: "), ("uplinks", {"delay_factor": 0.0}, "not a valid delay_factor")],
)
def test_impossible_arguments_are_a_clear_error(what: str, arguments: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        do(make_stage("ring", 4, NODE), what, **arguments)
