"""The force-directed layout."""

import numpy as np
import pytest

from sim.graphs.layout import spring_layout


def test_springs_place_neighbours_closer_than_strangers_and_the_same_each_time() -> None:
    links = [(node, (node + 1) % 60) for node in range(60)]
    places = spring_layout(60, links)
    near = np.mean([np.linalg.norm(places[a] - places[b]) for a, b in links])
    far = np.mean([np.linalg.norm(places[a] - places[(a + 30) % 60]) for a in range(60)])
    assert near < far / 3
    assert np.array_equal(places, spring_layout(60, links))


@pytest.mark.parametrize("nodes", [1, 2, 700])
def test_springs_bear_few_nodes_and_more_than_a_block(nodes: int) -> None:
    places = spring_layout(nodes, [(0, nodes - 1)] if nodes > 1 else [])
    assert places.shape == (nodes, 2)
    assert np.isfinite(places).all()
