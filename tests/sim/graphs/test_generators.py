"""What the generators promise of their graphs."""

import pytest

from sim.graphs.topology import make_topology


def test_parameters_reach_the_generator() -> None:
    assert make_topology("ba:m=3", 50, 1).number_of_edges() == 3 * 47
    assert dict(make_topology("ws:k=4,p=0", 20, 1).degree) == dict.fromkeys(range(20), 4)
    assert sorted(make_topology("tree:r=4", 5, 1).edges) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert sorted(make_topology("grid:width=2", 5, 1).edges) == [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)]
    fixed = make_topology("ring:delay_min=0.01,delay_max=0.01", 5, 1)
    assert {delay for _, _, delay in fixed.edges(data="delay")} == {0.01}


def test_a_star_may_have_a_hub_of_600() -> None:
    assert make_topology("star", 601, 1).degree[0] == 600


def test_a_hub_is_the_last_node_of_a_barabasi_albert_graph() -> None:
    graph = make_topology("hub:m=3,links=20", 51, 1)
    assert (graph.degree[50], graph.number_of_edges()) == (20, 3 * 47 + 20)
    assert make_topology("hub", 80, 1).degree[79] == 10


def test_delay_follows_distance_in_a_geometric_graph() -> None:
    graph = make_topology("geometric:side=0.1", 100, 1)
    for a, b, delay in graph.edges(data="delay"):
        (ax, ay), (bx, by) = graph.nodes[a]["pos"], graph.nodes[b]["pos"]
        assert delay == pytest.approx(max(0.0002, 0.1 * ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5))


def test_the_average_degree_of_a_geometric_graph_is_about_what_was_asked() -> None:
    graph = make_topology("geometric:degree=8", 1_000, 1)
    assert 6.8 < 2 * graph.number_of_edges() / len(graph) < 8.5  # nodes at the rim have fewer


def test_an_internet_has_stubs_that_carry_nothing_and_well_connected_transits() -> None:
    graph = make_topology("internet:transit=0.3", 500, 1)
    degrees = [degree for _, degree in graph.degree]
    assert set(degrees[150:]) == {1, 2}
    assert max(degrees[:150]) > 30
    assert all("pos" in graph.nodes[node] for node in graph)
