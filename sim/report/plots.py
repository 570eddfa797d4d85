"""Plots of one run: convergence, outages of flows, traffic of nodes, stretch of paths.

Each function draws one figure from a report, or returns None if the report has no data for it. Axes begin at zero unless they
are labelled as logarithmic. Titles give the number of values.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ..quantiles import quantiles
from .meshmap import plot_map
from .records import ActionRecord, SampleRecord
from .report import Report
from .theme import LIGHT, Theme, dress, new_figure, title
from .words import seconds

_LABELLED_ACTIONS: Final = 6  # the labels of more would overlap
_OBSERVATIONS: Final = ("settled", "choose", "watch", "idle")  # actions that do not change the mesh
_DECADE: Final = 10.0  # an axis is logarithmic if values span more than this
_SAME: Final = 1e-9  # a smaller difference is one of rounding
_TAIL: Final = 30.0  # an axis of durations is logarithmic if the longest exceeds this multiple of the median

Plot = Callable[[Report, Theme], Figure | None]


def plot_convergence(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draws the number of converged nodes and the control traffic over virtual time."""
    if not report.samples:
        return None
    samples = [SampleRecord(t=0.0), *report.samples]
    deeds = [action for action in report.actions if action.what not in _OBSERVATIONS]
    figure = new_figure(theme, height=3.8)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    _draw_converged(upper, samples, report.run.nodes, theme)
    _draw_traffic(lower, samples, report.run.nodes, theme)
    for axes in (upper, lower):
        dress(axes, theme)
        axes.set_xlim(0, max(samples[-1].t, *(action.t for action in deeds), 1e-3))
        axes.set_ylim(bottom=0)
        _mark_actions(axes, deeds, theme, labelled=axes is upper)
    lower.set_xlabel("virtual time, s")
    title(upper, "Convergence", f"n = {report.run.nodes:,} nodes; {report.run.topology}, {report.run.scenario}", theme)
    return figure


def _draw_converged(axes: Axes, samples: Sequence[SampleRecord], nodes: int, theme: Theme) -> None:
    times = [sample.t for sample in samples]
    counts = [sample.converged_nodes for sample in samples]
    axes.fill_between(times, counts, step="post", color=theme.main, alpha=0.12, linewidth=0)
    axes.step(times, counts, where="post", color=theme.main, linewidth=1.8)
    axes.set_ylabel("nodes converged")
    axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.axhline(nodes, color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_ylim(top=1.08 * max(nodes, *counts, 1))


def _draw_traffic(axes: Axes, samples: Sequence[SampleRecord], nodes: int, theme: Theme) -> None:
    """Draws bytes per second between samples, whose counts start with the run."""
    edges, rates = [samples[0].t], []
    for before, after in pairwise(samples):
        if after.t > before.t:
            edges.append(after.t)
            rates.append((after.bytes - before.bytes) / (after.t - before.t) / max(nodes, 1) / 1_000)
    if rates:
        axes.stairs(rates, edges, color=theme.second, fill=True, alpha=0.75)
    axes.set_ylabel("control traffic,\nkB/s per node")


def _mark_actions(axes: Axes, actions: Sequence[ActionRecord], theme: Theme, *, labelled: bool) -> None:
    for action in actions:
        axes.axvline(action.t, color=theme.bad, linewidth=0.9, alpha=0.8 if len(actions) <= 20 else 0.25)
    moments = dict.fromkeys(action.t for action in actions)
    if not labelled or len(moments) > _LABELLED_ACTIONS:
        return
    for moment in moments:
        words = ", ".join(dict.fromkeys(action.what for action in actions if action.t == moment))
        axes.annotate(
            words,
            (moment, 0.5),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color=theme.bad,
            fontsize=8.5,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": theme.surface, "edgecolor": "none", "alpha": 0.85},
        )


def plot_outages(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draws the distribution of outages, and of repairs, which begin with the detection."""
    outages = report.outages
    if not report.outage_seconds():
        return None
    figure = new_figure(theme)
    axes = figure.subplots()
    curves = (
        ("outage, from the fault on", report.outage_seconds(), theme.main),
        ("repair, from its detection on", report.repair_seconds(), theme.second),
    )
    for label, values, colour in curves:
        _draw_cdf(axes, [1_000 * value for value in values], len(outages), label, colour)
    _mark_detection(axes, report, theme)
    longest = 1_000 * max((*report.outage_seconds(), 0.001))
    _scale_durations(axes, [1_000 * value for value in report.outage_seconds()], longest)
    open_ended = sum(outage.outage_s is None for outage in outages)
    still = f", {open_ended} still out at the end" if open_ended else ""
    _finish_cdf(axes, theme, "outage, ms", "share of outages over")
    axes.legend(loc="lower right", frameon=False, labelcolor=theme.ink, fontsize=9)
    title(axes, "Outage of watched flows", f"n = {len(outages):,} outages{still}", theme)
    return figure


def _draw_cdf(axes: Axes, values: Sequence[float], count: int, label: str | None, colour: str) -> None:
    """Draws an empirical distribution; values missing from `count` keep it below 100 %."""
    if not values:
        return
    ordered = sorted(values)
    shares = [rank / count for rank in range(len(ordered) + 1)]
    axes.step([ordered[0], *ordered], shares, where="post", color=colour, linewidth=1.8, label=label)
    axes.hlines(shares[-1], ordered[-1], 2 * ordered[-1] + 1, color=colour, linewidth=1.8)


def _mark_detection(axes: Axes, report: Report, theme: Theme) -> None:
    """Marks the median time from fault to detection, the difference of the two durations of an outage."""
    detection_s = report.detection_seconds()
    if detection_s:
        how = "assumed" if report.is_detection_assumed else "measured"
        label = f"detection ({how}), {seconds(median(detection_s))}"
        axes.axvline(1_000 * median(detection_s), color=theme.bad, linewidth=1.1, linestyle=(0, (4, 3)), label=label)


def _scale_durations(axes: Axes, values: Sequence[float], longest: float) -> None:
    spread = quantiles(values)
    if spread is not None and spread.max > _TAIL * max(spread.median, 1.0):
        axes.set_xscale("symlog", linthresh=max(spread.median, 1.0))
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.set_xlim(0, 1.04 * longest)


def _finish_cdf(axes: Axes, theme: Theme, x_label: str, y_label: str) -> None:
    dress(axes, theme)
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    logarithmic = "" if axes.get_xscale() == "linear" else " (logarithmic beyond the median)"
    axes.set_xlabel(x_label + logarithmic)
    axes.set_ylabel(y_label)


def plot_bytes(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draws the bytes that each node sent against its degree, and the median for each degree."""
    nodes = [node for node in report.nodes if node.degree > 0]
    if not nodes:
        return None
    figure = new_figure(theme)
    axes = figure.subplots()
    degrees = [node.degree for node in nodes]
    kilobytes = [node.bytes_sent / 1_000 for node in nodes]
    opacity = min(0.7, max(0.25, 60 / len(nodes)))
    axes.scatter(degrees, kilobytes, s=16, color=theme.main, alpha=opacity, linewidths=0, label="one node")
    by_degree: dict[int, list[float]] = {}
    for degree, sent in sorted(zip(degrees, kilobytes, strict=True)):
        by_degree.setdefault(degree, []).append(sent)
    medians = [median(sent) for sent in by_degree.values()]
    axes.plot(list(by_degree), medians, color=theme.second, linewidth=1.4, marker="o", markersize=3.5, label="median")
    dress(axes, theme)
    logarithmic = _scale_both(axes, degrees, kilobytes)
    axes.set_xlabel(f"degree, links{logarithmic}")
    axes.set_ylabel(f"control bytes sent, kB{logarithmic}")
    axes.legend(loc="upper left", frameon=False, labelcolor=theme.ink, fontsize=9)
    title(axes, "Control traffic of nodes", f"n = {len(nodes):,} nodes, whole run", theme)
    return figure


def _scale_both(axes: Axes, x: Sequence[float], y: Sequence[float]) -> str:
    """Makes axes logarithmic if values are positive and span more than a decade; returns the note for their labels."""
    if min(x) > 0 and min(y) > 0 and max(x) / min(x) > _DECADE:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
            axis.set_major_formatter(FuncFormatter(_thousands))
            axis.set_minor_formatter(FuncFormatter(_two_and_five if max(values) / min(values) < 200 else _nothing))
        return " (log)"
    axes.set_xlim(0, 1.05 * max(x))
    axes.set_ylim(0, 1.08 * max(*y, 1e-3))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ""


def _thousands(value: float, _: object) -> str:
    return f"{value:,.10g}"


def _two_and_five(value: float, _: object) -> str:
    """Labels the ticks at 2 and 5 within a decade if those at decades are too few."""
    leading = round(value / 10 ** math.floor(math.log10(value)))
    return _thousands(value, _) if leading in (2, 5) else ""


def _nothing(value: float, _: object) -> str:
    return ""


def plot_stretch(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draws the distribution of the stretch of paths."""
    values = report.stretch
    if not any(value > 1 + _SAME for value in values):
        return None  # the summary says it in fewer words
    figure = new_figure(theme)
    axes = figure.subplots()
    _draw_cdf(axes, values, len(values), None, theme.main)
    shortest = sum(value <= 1 + _SAME for value in values) / len(values)
    longest = max(1.1, 1 + 1.05 * (max(values) - 1))
    axes.set_xlim(min([1.0, *values]) - 0.01 * (longest - 1), longest)
    _finish_cdf(axes, theme, "stretch, delay of the path taken / delay of the shortest", "share of pairs")
    title(axes, "Stretch", f"n = {len(values):,} pairs, {shortest:.1%} of them on a shortest path", theme)
    return figure


PLOTS: Final[dict[str, Plot]] = {
    "convergence": plot_convergence,
    "outages": plot_outages,
    "bytes": plot_bytes,
    "stretch": plot_stretch,
    "map": plot_map,
}


def draw_plots(report: Report, theme: Theme = LIGHT) -> Iterator[tuple[str, Figure]]:
    """Draws each plot for which the report has data."""
    for name, plot in PLOTS.items():
        figure = plot(report, theme)
        if figure is not None:
            yield name, figure
