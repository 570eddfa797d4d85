"""The summary of a run: the verdict, the figures that matter, and the rest of the numbers."""

from collections.abc import Iterator
from statistics import fmean
from typing import Final

from rich.console import Console

from ..quantiles import quantiles
from .report import Report, reproduction
from .terminal import print_line
from .verdict import verdict
from .ways import way_rows
from .words import FIGURES, count, describe, figure, kilobytes, rate, seconds, share, spread, typed

_SHOWN_VIOLATIONS: Final = 5
_SAME: Final = 1e-9  # a smaller difference is one of rounding

Row = tuple[str, str]  # what it is, and its value with the unit


def key_rows(report: Report) -> list[Row]:
    """Returns the figures that matter."""
    return [*_outage_rows(report), *way_rows(report), *_figure_rows(report), *_path_rows(report)]


def _outage_rows(report: Report) -> Iterator[Row]:
    how = "assumed" if report.is_detection_assumed else "measured"
    summary, outages = report.summary, report.outage_seconds()
    ended = f", {len(outages):,} outages" if outages else ""
    detection, repair, pathless = report.detection_seconds(), report.repair_seconds(), report.pathless_seconds()
    rows = (
        ("outage of flows", spread(summary.outage_s), ended),
        (f"detection ({how})", spread(quantiles(detection)), ", from the fault to its detection"),
        ("without any path in the mesh", spread(quantiles(pathless)) if any(pathless) else None, ", of each outage"),
        ("repair (measured)", spread(quantiles(repair)), ", from the detection, with a path, to the flow's return"),
    )
    for name, text, note in rows:
        if text is not None:
            yield name, text + note
    if report.is_detection_assumed and repair:
        alike = share(sum(value < _SAME for value in repair) / len(repair))
        yield "outages as long as the assumed detection", f"{alike}: their repair was ready before"
    if out := sum(outage.outage_s is None for outage in report.outages):
        yield "flows still out at the end", f"{out:,}"


def _figure_rows(report: Report) -> Iterator[Row]:
    promises = report.summary.promises
    for name, value in report.summary.figures.items():
        text, bound = figure(name, value), figure(name, promises.get(name))
        if text is not None:
            yield FIGURES.get(name, name), text + (f" (promised: at most {bound})" if bound else "")


def _path_rows(report: Report) -> Iterator[Row]:
    yield "all pairs converged", seconds(report.summary.converged_s) or "not seen"
    if values := report.stretch:
        shortest = sum(value <= 1 + _SAME for value in values) / len(values)
        longest = (
            f", the worst has {max(values):.3g} times its cost, the mean {fmean(values):.3f}" if shortest < 1 else ""
        )
        yield "paths", f"{share(shortest)} of {len(values):,} pairs use a shortest path{longest}"
    if met := report.met:
        yield (
            "once both ends have met",
            f"{fmean(met):.3f} times the shortest on average, {max(met):.3g} at worst",
        )


def number_rows(report: Report) -> list[Row]:
    """Returns the rest of the numbers: what ran, what it cost, and what was checked."""
    run, summary = report.run, report.summary
    parameters = ", ".join(f"{key}={typed(value)}" for key, value in run.parameters.items() if value is not None)
    rows = (
        ("topology", f"{run.topology}, {count(summary.nodes) or '?'} nodes, {count(summary.links) or '?'} links"),
        ("scenario", f"{run.scenario}, seed {run.seed}, fidelity {run.fidelity}"),
        ("parameters", parameters or None),
        ("routes in use by a node", _routes(report)),
        ("control traffic per node", kilobytes(summary.bytes_per_node)),
        *_traffic_rows(report),
        ("control messages", count(summary.messages)),
        ("forwarding loops", count(summary.loops)),
        ("metrics unlike the oracle's", count(summary.metric_mismatches)),
        ("sampled pairs not reached", count(summary.pairs_undelivered)),
        ("violations", count(summary.violations)),
        ("events", count(summary.events)),
        ("real time", seconds(summary.wall_s)),
        ("peak memory", None if summary.peak_rss_mib is None else f"{summary.peak_rss_mib:,.0f} MiB"),
        ("log hash", summary.log_hash),
        ("records passed over", count(report.unread) if report.unread else None),
    )
    return [(name, text) for name, text in rows if text is not None]


def _traffic_rows(report: Report) -> Iterator[Row]:
    for sent in report.traffic:
        kinds = ", ".join(f"{kind} {rate(mean)}" for kind, mean in sent.kinds.items())
        text = f"mean {rate(sent.mean)}, p99 {rate(sent.p99)}, most {rate(sent.max)}"
        yield f"control traffic per node, {sent.during}", text + (f"; of the mean {kinds}" if kinds else "")


def _routes(report: Report) -> str | None:
    used = sorted(node.routes for node in report.nodes)
    if not used:
        return None
    return f"mean {fmean(used):,.1f}, p99 {used[len(used) * 99 // 100]:,}, most {used[-1]:,}"


def print_summary(report: Report, console: Console) -> None:
    """Prints the verdict, all rows, and the first violations, if there are any."""
    print_line(console, verdict(report), style="bold red" if report.violations else "bold")
    for rows in (key_rows(report), number_rows(report)):
        print_line(console, "")
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            print_line(console, f"{name:{width}}  {text}")
    for violation in report.violations[:_SHOWN_VIOLATIONS]:
        moment = "" if violation.t is None else f" at {violation.t:.3f} s"
        print_line(console, f"\n{violation.what}{moment}: {describe(violation.details)}", style="red")
        if command := reproduction(violation):
            print_line(console, f"  reproduce: {command}")
    if len(report.violations) > _SHOWN_VIOLATIONS:
        print_line(console, f"and {len(report.violations) - _SHOWN_VIOLATIONS} more")
