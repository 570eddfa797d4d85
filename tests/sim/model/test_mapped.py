"""The graphs of models."""

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
    found = mapped_graph.towards(roots, 2)
    for node, nearest in enumerate(found):
        order = np.argsort(metrics[:, node])[:2]
        assert list(nearest) == [roots[place] for place in order]
        for place in order:
            following = nearest[roots[place]]
            if node == roots[place]:
                assert following == node
            else:
                assert metrics[place, node] == graph[node, following] + metrics[place, following]
                assert roots[place] in found[following]


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
