"""The last records of a run."""

from pathlib import Path

import msgspec

from sim.play.outcome import ending
from sim.play.run import RunSpec, run_to_file
from tests.sim.play.support import settled_stage


def test_records_come_in_their_order_and_the_summary_last(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    last = run_to_file(RunSpec("ring", 10, "cut:flows=10"), file)
    records = [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]
    kinds = list(dict.fromkeys(record["type"] for record in records))
    assert kinds[:3] == ["run", "action", "sample"]
    assert kinds[-4:] == ["node", "stretch", "map", "summary"]
    assert records[-1] == msgspec.json.decode(msgspec.json.encode(last))
    assert sum(record["type"] == "node" for record in records) == 10


def test_violations_come_first_with_what_reproduces_them() -> None:
    stage = settled_stage()
    recipe = {"command": "mycelium-sim run"}
    found = list(ending(stage, [{"type": "violation", "node": 3}], {"outage_max_s": 1.0}, recipe))
    assert found[0]["reproduce"] == recipe
    assert {event["node"] for event in found[0]["last_events"]} | {3} != {3}
    assert all(3 in (event["node"], event["peer"]) for event in found[0]["last_events"])
    assert (found[-1]["violations"], found[-1]["promises"]) == (1, {"outage_max_s": 1.0})


def test_nodes_the_map_and_the_stretch_describe_the_mesh() -> None:
    stage = settled_stage("geometric", 12)
    stage.mesh.stop(5)
    list(stage.pass_time(2.0))
    low, high = next(edge for edge in stage.mesh.links if 5 not in edge)
    stage.mesh.cut(low, high)
    found = list(ending(stage, [], {}, {}))
    nodes = {record["node"]: record for record in found if record["type"] == "node"}
    assert (nodes[5]["degree"], nodes[5]["routes"]) == (0, 0)
    assert nodes[5]["bytes_sent"] > 0
    (drawn,) = [record for record in found if record["type"] == "map"]
    assert len(drawn["positions"]) == 12
    assert [edge[:2] for edge in drawn["edges"] if edge[3] == "down"] == [[low, high]]
    (stretch,) = [record for record in found if record["type"] == "stretch"]
    assert stretch["values"]
    assert min(stretch["values"]) >= 1.0


def test_the_map_tells_of_links_that_only_one_end_uses() -> None:
    stage = settled_stage("ring", 8)
    low, high = next(iter(stage.mesh.links))
    (before,) = [record for record in ending(stage, [], {}, {}) if record["type"] == "map"]
    assert before["half"] == []
    engine = stage.mesh.engine(low)
    assert engine is not None
    engine.neighbour_down(stage.mesh.address(high), now=stage.mesh.now)
    (after,) = [record for record in ending(stage, [], {}, {}) if record["type"] == "map"]
    assert after["half"] == [(high, low)]
