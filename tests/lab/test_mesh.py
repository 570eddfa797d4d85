"""Forms of meshes, and the paths through them."""

import networkx

from tests.lab.mesh import grid, line, random_graph, ring, trace_path


def test_a_grid_joins_neighbours_in_rows_and_columns() -> None:
    edges = grid(2, 3)
    assert sorted(edges) == sorted(
        [*line("r0c0", "r0c1", "r0c2"), *line("r1c0", "r1c1", "r1c2")] + [(f"r0c{n}", f"r1c{n}") for n in range(3)]
    )
    assert len(grid(7, 7)) == 84


def test_a_ring_closes_a_line() -> None:
    assert ring("a", "b", "c") == [*line("a", "b", "c"), ("c", "a")]


def test_a_random_graph_is_the_same_again_and_in_one_piece() -> None:
    edges = random_graph(20, 30, seed=1)
    assert edges == random_graph(20, 30, seed=1) != random_graph(20, 30, seed=2)
    assert len(edges) == len(set(edges)) == 30
    assert networkx.is_connected(networkx.Graph(edges))


def test_a_path_is_traced_hop_by_hop() -> None:
    hops = {("a", "d"): "b", ("b", "d"): "c", ("c", "d"): "d", ("x", "y"): "z", ("z", "y"): "x"}
    next_hop = lambda one, other: hops.get((one, other))  # noqa: E731
    assert trace_path(next_hop, "a", "d") == ["a", "b", "c", "d"]
    assert trace_path(next_hop, "x", "y") == []
    assert trace_path(next_hop, "a", "y") == []
