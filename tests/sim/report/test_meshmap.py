"""The map of the mesh."""

from sim.report.meshmap import plot_map
from sim.report.report import collect
from sim.report.theme import LIGHT
from tests.sim.fake import fake_records


def test_failed_links_are_marked_on_the_map_and_counted() -> None:
    figure = plot_map(collect(fake_records()), LIGHT)
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["1 failed (cut)"]
