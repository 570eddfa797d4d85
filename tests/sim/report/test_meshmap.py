"""The map of the mesh: what was cut is seen on it, whether it is down at the end or open again."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sim.report.meshmap import plot_map
from sim.report.report import collect
from sim.report.theme import LIGHT
from tests.sim.fake import fake_records


def drawn(*actions: dict[str, Any], states: tuple[str, str, str] = ("up", "up", "up")) -> Figure:
    edges = [[a, b, 0.01, state] for (a, b), state in zip(((0, 1), (1, 2), (0, 2)), states, strict=True)]
    positions = {"0": [0, 0], "1": [1, 0], "2": [0, 1]}
    records = [{"type": "action", **action} for action in actions]
    figure = plot_map(collect([*records, {"type": "map", "positions": positions, "edges": edges}]), LIGHT)
    assert figure is not None
    return figure


def legend(figure: Figure) -> list[str]:
    found = figure.axes[0].get_legend()
    return [] if found is None else [text.get_text() for text in found.get_texts()]


def marked(figure: Figure) -> int:
    """Returns how many collections are drawn in the colour of what has failed, above everything else."""
    colours = [
        np.asarray(one.get_edgecolor()).reshape(-1, 4) for one in figure.axes[0].collections if one.get_zorder() > 3
    ]
    return sum(to_hex(found[0]) == LIGHT.bad for found in colours)


def test_a_link_that_is_down_at_the_end_is_named_and_ringed() -> None:
    (text,) = legend(plot_map(collect(fake_records()), LIGHT) or Figure())
    assert text == "down: 6-44"
    figure = drawn({"what": "cut", "link": [1, 2]}, states=("up", "down", "up"))
    assert legend(figure) == ["down: 1-2"]
    assert marked(figure) == 2
    assert len(figure.axes) == 1  # no scale of delays: the other links are faint


@pytest.mark.parametrize("what", ["cut", "flap", "cut_lane"])
def test_a_link_that_was_cut_and_is_open_again_is_not_hidden(what: str) -> None:
    figure = drawn({"what": what, "link": [2, 0]}, {"what": "mend", "link": [2, 0]})
    assert legend(figure) == ["cut, but open again: 0-2"]
    assert marked(figure) == 2


def test_a_mesh_in_which_nothing_was_cut_shows_delays() -> None:
    figure = drawn({"what": "watch", "flows": 3}, {"what": "cost", "link": [0, 1]})
    assert (legend(figure), marked(figure)) == ([], 0)
    assert len(figure.axes) == 2


def test_many_links_are_counted_and_not_named() -> None:
    edges = [[node, node + 1, 0.01, "down"] for node in range(40)]
    figure = plot_map(collect([{"type": "map", "positions": {}, "edges": edges}]), LIGHT)
    assert figure is not None
    assert legend(figure) == ["down: 40 links"]
