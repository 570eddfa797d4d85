"""Plots and the page: drawn from whatever a run left, with honest axes, and self-contained."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mycelium.errors import ConfigError
from sim.graphs.layout import spring_layout
from sim.report.meshmap import plot_map
from sim.report.page import write_folder
from sim.report.plots import draw_plots, plot_bytes, plot_convergence, plot_outages, plot_stretch
from sim.report.report import Report, collect
from sim.report.theme import LIGHT
from tests.sim.fake import fake_records

PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """Collects what a page refers to, and its tags that are open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "srcset", "href")]
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def only(kind: str, *, change: Callable[[dict[str, object]], dict[str, object]] = dict) -> Report:
    """Returns the report of a run that left records of one type, and the one that begins it."""
    return collect(change(record) for record in fake_records() if record["type"] in ("run", kind))


def test_a_run_gives_all_plots_and_a_page(tmp_path: Path) -> None:
    written = write_folder(collect(fake_records()), tmp_path / "new" / "folder")
    names = [path.name for path in written]
    assert names == ["convergence.png", "outages.png", "bytes.png", "stretch.png", "map.png", "report.html"]
    assert all(path.read_bytes().startswith(PNG) for path in written[:-1])


def test_the_page_refers_to_nothing_but_itself(tmp_path: Path) -> None:
    page = Page(write_folder(collect(fake_records()), tmp_path)[-1].read_text())
    assert page.open == []
    assert len(page.references) == 10
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)


def test_the_same_run_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (write_folder(collect(fake_records()), tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_page_shows_what_it_is_told_as_text(tmp_path: Path) -> None:
    records = [*fake_records(scenario="<script>"), {"type": "action", "t": 1.0, "what": "<b>", "x": "&"}]
    text = write_folder(collect(records), tmp_path)[-1].read_text()
    assert "<script>" not in text
    assert "&lt;script&gt; on ba" in text
    assert "<th>&lt;b&gt;</th><td>x &amp;</td>" in text


def test_an_interrupted_run_and_a_broken_invariant_are_said_on_the_page(tmp_path: Path) -> None:
    recipe = {"command": "mycelium-sim run --seed 7"}
    report = collect([{"type": "run"}, {"type": "violation", "t": 2.0, "loop": [1, 2, 1], "reproduce": recipe}])
    written = write_folder(report, tmp_path)
    assert [path.name for path in written] == ["report.html"]
    text = written[0].read_text()
    assert "The run was interrupted" in text
    assert "loop [1, 2, 1]" in text
    assert "<code>mycelium-sim run --seed 7</code>" in text


def test_thousands_of_actions_do_not_swell_the_page(tmp_path: Path) -> None:
    report = collect({"type": "action", "t": t, "what": "restart"} for t in range(5_000))
    text = write_folder(report, tmp_path)[-1].read_text()
    assert "and 4,500 more" in text
    assert len(text) < 100_000


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file"):
        write_folder(collect(fake_records()), tmp_path / "file")


@pytest.mark.parametrize("kind", ["action", "sample", "outage", "node", "stretch", "map", "violation", "summary"])
def test_any_one_type_of_record_alone_can_be_drawn(kind: str) -> None:
    names = []
    for name, figure in draw_plots(only(kind)):
        figure.savefig("/dev/null", format="png")
        names.append(name)
    drawn = {
        "sample": ["convergence"],
        "outage": ["outages"],
        "node": ["bytes"],
        "stretch": ["stretch"],
        "map": ["map"],
    }
    assert names == drawn.get(kind, [])


def test_axes_begin_at_zero_and_name_their_units() -> None:
    report = collect(fake_records())
    for plot in (plot_convergence, plot_outages):
        figure = plot(report, LIGHT)
        assert figure is not None
        for axes in figure.axes:
            assert (axes.get_xlim()[0], axes.get_ylim()[0]) == (0, 0)
        assert figure.axes[-1].get_xlabel() in ("virtual time, s", "outage, ms")


def test_titles_tell_how_many_values_were_drawn() -> None:
    report = collect(fake_records(flows=33))
    for plot, words in (
        (plot_outages, "n = 33 outages"),
        (plot_bytes, "n = 60 nodes"),
        (plot_stretch, "n = 500 pairs"),
    ):
        figure = plot(report, LIGHT)
        assert figure is not None
        assert words in " ".join(text.get_text() for text in figure.axes[0].texts)


def test_bytes_are_drawn_logarithmic_only_where_degrees_span_a_decade() -> None:
    scales = {}
    for topology in ("ring", "star"):
        figure = plot_bytes(collect(fake_records(topology=topology)), LIGHT)
        assert figure is not None
        scales[topology] = (figure.axes[0].get_xscale(), "(log)" in figure.axes[0].get_xlabel())
    assert scales == {"ring": ("linear", False), "star": ("log", True)}


def test_a_flow_that_never_came_back_keeps_the_curve_below_100_percent() -> None:
    def leave_out(record: dict[str, object]) -> dict[str, object]:
        is_first_half = record["type"] == "outage" and record["flow"] < [20, 0]  # type: ignore[operator]
        return {**record, "outage_s": None, "after_detection_s": None} if is_first_half else record

    figure = plot_outages(only("outage", change=leave_out), LIGHT)
    assert figure is not None
    assert np.max(np.asarray(figure.axes[0].lines[0].get_ydata())) == 0.5
    assert "20 still out at the end" in figure.axes[0].texts[0].get_text()


def test_a_long_tail_turns_the_axis_logarithmic_and_says_so() -> None:
    outages = [{"type": "outage", "outage_s": 0.2, "after_detection_s": 0.0}] * 9
    figure = plot_outages(collect([*outages, {"type": "outage", "outage_s": 60.0, "after_detection_s": 59.8}]), LIGHT)
    assert figure is not None
    assert "logarithmic" in figure.axes[0].get_xlabel()


def test_failed_links_are_marked_on_the_map_and_counted() -> None:
    figure = plot_map(collect(fake_records()), LIGHT)
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["1 failed (cut)"]


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
