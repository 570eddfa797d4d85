"""Places for nodes without any: a force-directed layout (Fruchterman, Reingold 1991), fast enough for thousands.

Nodes repel each other and links attract their ends. The forces of all pairs are matrix products, one block of rows at a time.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ROUNDS: Final = 60
_ROWS: Final = 64  # a block stays in the processor's cache and is too small for BLAS to wake threads for it
_START_HEAT: Final = 0.12  # share of the map's side: the largest move of a node in the first round

_Array = NDArray[np.float32]  # twice as fast as double precision, and precise enough for a map


def spring_layout(nodes: int, links: Sequence[tuple[int, int]], seed: int = 1) -> _Array:
    """Returns the places of nodes 0 to n-1 as an array of n rows (x, y), centred at the origin."""
    places = np.random.default_rng(seed).random((nodes, 2), dtype=np.float32) - np.float32(0.5)
    if nodes < 2:
        return places
    ends = np.array(links, dtype=np.intp).reshape(-1, 2)
    spacing = 1 / math.sqrt(nodes)
    for turn in range(_ROUNDS):
        force = _push(places, spacing) + _pull(places, ends, spacing)
        length = np.maximum(np.hypot(force[:, 0], force[:, 1]), 1e-12)
        heat = _START_HEAT * (1 - turn / _ROUNDS)
        places += force * (np.minimum(length, heat) / length)[:, None]
        places -= places.mean(axis=0)
    return places


def _push(places: _Array, spacing: float) -> _Array:
    """Returns the repulsion between all nodes, spacing^2 / distance for each pair."""
    force = np.empty_like(places)
    squares = (places**2).sum(axis=1)
    for start in range(0, len(places), _ROWS):
        rows = slice(start, start + _ROWS)
        weight = (-2 * places[rows]) @ places.T  # turns into squared distances, then into weights, in place
        weight += squares[rows, None]
        weight += squares
        np.maximum(weight, 1e-3 * spacing**2, out=weight)
        np.divide(spacing**2, weight, out=weight)
        force[rows] = places[rows] * weight.sum(axis=1)[:, None] - weight @ places
    return force


def _pull(places: _Array, ends: NDArray[np.intp], spacing: float) -> _Array:
    """Returns the attraction along all links, distance^2 / spacing for each."""
    span = places[ends[:, 1]] - places[ends[:, 0]]
    drawn = span * (np.hypot(span[:, 0], span[:, 1]) / spacing)[:, None]
    force = np.zeros_like(places)
    np.add.at(force, ends[:, 0], drawn)
    np.subtract.at(force, ends[:, 1], drawn)
    return force
