"""Topologies: what every graph promises, that a seed replays exactly, and that a bad text says what is wrong with it."""

import hashlib
import os
import subprocess
import sys

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from sim.graphs.topology import list_topologies, make_topology

GENERATED = [topology.name for topology in list_topologies() if topology.name != "file"]


def fingerprint(graph: nx.Graph) -> str:
    return hashlib.sha256(repr((list(graph.nodes(data=True)), list(graph.edges(data=True)))).encode()).hexdigest()


@pytest.mark.parametrize("spec", GENERATED)
@given(nodes=st.integers(8, 90), seed=st.integers())
def test_every_graph_is_connected_numbered_and_has_delays(spec: str, nodes: int, seed: int) -> None:
    graph = make_topology(spec, nodes, seed)
    assert list(graph) == list(range(nodes))
    assert nx.is_connected(graph)
    assert nx.number_of_selfloops(graph) == 0
    assert all(0.0002 <= delay <= 0.2 for _, _, delay in graph.edges(data="delay"))


@pytest.mark.parametrize("spec", GENERATED)
def test_a_seed_gives_the_same_graph_and_another_seed_another(spec: str) -> None:
    assert fingerprint(make_topology(spec, 60, 7)) == fingerprint(make_topology(spec, 60, 7))
    assert fingerprint(make_topology(spec, 60, 7)) != fingerprint(make_topology(spec, 60, 8))


def test_graphs_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from tests.sim.graphs.test_topology import *\n"
        "print([fingerprint(make_topology(spec, 80, 3)) for spec in GENERATED + ['geometric:degree=0.5']])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_drawn_delays_lie_in_the_default_range() -> None:
    delays = [delay for _, _, delay in make_topology("ba", 300, 1).edges(data="delay")]
    assert 0.001 <= min(delays) < 0.003
    assert 0.047 < max(delays) <= 0.050


@pytest.mark.parametrize(
    ("spec", "nodes", "complaint"),
    [
        ("moebius", 10, "'moebius' is not a topology; the topologies are line, ring"),
        ("ba:k=2", 10, "'k=2' is not key=value with a key among m, delay_min"),
        ("ba:m", 10, "'m' is not key=value"),
        ("ba:m=two", 10, "m: 'two' is not an integer"),
        ("ba:m=0", 10, "m: 0 is not between 1"),
        ("ba:m=10", 10, "topology 'ba:m=10' with 10 nodes"),
        ("hub:links=10", 10, "a hub has at most 9 links, not 10"),
        ("ws:p=nan", 10, "p: nan is not between"),
        ("ws:k=3", 10, "k is 3, not an even number"),
        ("ring", 2, "a ring has at least 3 nodes"),
        ("ring:delay_min=0.1", 5, "delay_min is above delay_max"),
        ("ring", 1, "2 to 20000 nodes, not 1"),
        ("ring", 10**9, "2 to 20000 nodes"),
        ("file:", 5, "needs a path"),
        ("file:/nowhere.json", 5, "/nowhere.json: No such file"),
    ],
)
def test_a_bad_topology_is_refused_with_the_reason(spec: str, nodes: int, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_topology(spec, nodes, 1)
    assert complaint in str(caught.value)


@given(
    spec=st.text(max_size=30) | st.from_regex(r"(ba|ws|grid|tree|internet):[a-z]{1,8}=[0-9.e-]{1,6}", fullmatch=True)
)
def test_any_text_is_a_graph_or_a_clear_refusal(spec: str) -> None:
    try:
        graph = make_topology(spec, 12, 1)
    except ConfigError:
        return
    assert nx.is_connected(graph)
