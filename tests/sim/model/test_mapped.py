"""The graphs of models."""

from itertools import pairwise

import networkx
import numpy as np
import pytest

from mycelium.errors import ConfigError
from mycelium.limits import SIM_NODES
from mycelium.routing.metric import link_cost
from sim.graphs.topology import make_topology
from sim.model import mapped
from sim.model.mapped import Mapped


def test_metrics_are_those_of_the_topology() -> None:
    mapped_graph = Mapped("ba:m=2", 60, 3)
    graph = make_topology("ba:m=2", 60, 3)
    for _, _, data in graph.edges(data=True):
        data["cost"] = link_cost(2 * data["delay"], 0.0)
    right = dict(networkx.single_source_dijkstra_path_length(graph, 7, weight="cost"))
    assert mapped_graph.distances([7])[0].tolist() == [right[node] for node in range(60)]
    ball = mapped_graph.ball(7, 10)
    assert list(ball.values()) == sorted(right.values())[:10]
    assert all(right[node] == metric for node, metric in ball.items())


def test_each_node_has_its_nearest_roots_and_a_shortest_way_to_each() -> None:
    mapped_graph = Mapped("ba:m=2", 60, 3)
    roots = [3, 9, 20, 41]
    metrics = mapped_graph.distances(roots)
    graph = mapped_graph.graph.todense()
    for node in range(60):
        found = mapped_graph.ways(node, set(roots), 2)
        order = np.argsort(metrics[:, node], kind="stable")[:2]
        assert list(found) == [roots[place] for place in order]
        for place, way in zip(order, found.values(), strict=True):
            assert (way[0], way[-1]) == (node, roots[place])
            assert sum(graph[one, other] for one, other in pairwise(way)) == metrics[place, node]


def test_the_last_of_the_nearest_tells_which_nodes_are_among_them() -> None:
    mapped_graph = Mapped("ba:m=2", 60, 3)
    for node in range(60):
        metrics = mapped_graph.distances([node])[0]
        ball = mapped_graph.ball(node, 10)
        assert list(ball) == sorted(range(60), key=lambda other: (metrics[other], other))[:10]
        assert {other for other in range(60) if (metrics[other], other) <= mapped_graph.edge(node, 10)} == set(ball)


def test_a_graph_of_more_nodes_is_drawn_without_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "SIM_NODES", 100)
    one, other = (Mapped("ba:m=2", 500, 1) for _ in range(2))
    assert one.size == 500
    assert one.graph.nnz == 2 * 2 * 498
    assert (one.graph != other.graph).nnz == 0, "the same seed gives the same graph"
    assert one.degrees.max() > 20
    assert np.isfinite(one.distances([0])).all()
    with pytest.raises(ConfigError, match="more than 100 nodes needs the topology ba:m=2, not 'ring'"):
        Mapped("ring", 500, 1)
    assert SIM_NODES > 100
