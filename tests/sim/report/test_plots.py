"""Plots: drawn from whatever records a run left, with honest axes."""

from collections.abc import Callable

import numpy as np
import pytest

from sim.report.plots import draw_plots, plot_bytes, plot_convergence, plot_outages, plot_stretch
from sim.report.report import Report, collect
from sim.report.theme import LIGHT
from tests.sim.fake import fake_records


def only(kind: str, *, change: Callable[[dict[str, object]], dict[str, object]] = dict) -> Report:
    """Returns the report of a run that left records of one type, and the one that begins it."""
    return collect(change(record) for record in fake_records() if record["type"] in ("run", kind))


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


def test_a_plot_that_would_show_one_value_is_not_drawn() -> None:
    assert plot_stretch(collect([{"type": "stretch", "values": [1.0] * 50}]), LIGHT) is None
    assert plot_stretch(collect([{"type": "stretch", "values": [1.0] * 50 + [1.2]}]), LIGHT) is not None


@pytest.mark.parametrize(("fidelity", "how"), [("routing", "assumed"), ("node", "measured")])
def test_the_plot_of_outages_tells_how_faults_were_detected(fidelity: str, how: str) -> None:
    records = [{**record, "fidelity": fidelity} if record["type"] == "run" else record for record in fake_records()]
    figure = plot_outages(collect(records), LIGHT)
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert legend.get_texts()[-1].get_text() == f"detection ({how}), 200 ms"


def test_letters_are_readable_on_a_telephone() -> None:
    for name, figure in draw_plots(collect(fake_records())):
        scale = 350 / (figure.get_figwidth() * 72)  # CSS pixels for each point where the page is 390 wide
        sizes = [
            float(label.get_fontsize()) for axes in figure.axes for label in (*axes.get_xticklabels(), axes.xaxis.label)
        ]
        assert min(sizes) * scale > 8.5, name
