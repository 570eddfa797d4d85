"""What came of a run, in one sentence."""

from ..quantiles import quantiles
from .records import TalkRecord
from .report import Report
from .ways import ways_in_short
from .words import count, describe, seconds

_INTERRUPTED = "interrupted"  # the action by which a run ends early


def verdict(report: Report) -> str:
    """Returns the sentence that a reader should see first."""
    if report.violations:
        return _failed(report)
    if not report.is_complete or any(action.what == _INTERRUPTED for action in report.actions):
        moment = seconds(report.samples[-1].t) if report.samples else None
        return f"The run was interrupted{f' after {moment}' if moment else ''}: this is what there was until then."
    found = f"{ways_in_short(report.ways)}. " if report.ways else ""
    if report.talks:
        found += f"{_talking(report)}. "
    return f"{found}{_healing(report)}; all invariants held and all promises were kept."


def _failed(report: Report) -> str:
    first = report.violations[0]
    moment = "" if first.t is None else f" at {seconds(first.t) or 'some time'}"
    more = f" (and {len(report.violations) - 1:,} more)" if len(report.violations) > 1 else ""
    details = describe(first.details)
    return f"The run failed: {first.what}{moment}{f', {details}' if details else ''}{more}."


def _talking(report: Report) -> str:
    last = report.talks[-1]
    best = next(one for one in report.talks if one.talking >= last.talking)
    after = f", {seconds(best.t - report.talks[0].t)} after the first look" if best is not report.talks[0] else ""
    return f"Of {last.pairs:,} honest pairs {last.talking:,} hear each other{after}{_distrusted(last)}"


def _distrusted(last: TalkRecord) -> str:
    if not last.found and not last.wronged:
        return ""
    return f", and honest nodes distrust {last.found:,} neighbours that lie and {last.wronged:,} that do not"


def _healing(report: Report) -> str:
    if not report.outages:
        return _calm(report)
    out = len({outage.flow for outage in report.outages if outage.outage_s is None})
    durations_s = report.outage_seconds()
    if not durations_s:
        return (
            f"None of the {out:,} interrupted flows came back until the end"
            if out > 1
            else ("The interrupted flow did not come back until the end")
        )
    interrupted = len({outage.flow for outage in report.outages})
    within = f"within {seconds(max(durations_s))}"
    if out:
        came = (
            f"Of {interrupted:,} interrupted flows {out:,} had not come back at the end, the others came back {within}"
        )
    else:
        came = (
            f"All {interrupted:,} interrupted flows came back {within}"
            if interrupted > 1
            else (f"The interrupted flow came back {within}")
        )
    return came + _share_of_detection(report)


def _share_of_detection(report: Report) -> str:
    detection, repair = quantiles(report.detection_seconds()), quantiles(report.repair_seconds())
    if detection is None or repair is None:
        return ""
    how = "assumed" if report.is_detection_assumed else "needed"
    pathless_s = max(report.pathless_seconds(), default=0.0)
    parted = f", and up to {seconds(pathless_s)} passed without any path in the mesh" if pathless_s > 0 else ""
    return (
        f", of which {seconds(detection.median)} were {how} for noticing the fault{parted}; "
        f"the repair itself took {seconds(repair.median)} (median), {seconds(repair.max)} at most"
    )


def _calm(report: Report) -> str:
    flows = sum(number for action in report.actions if isinstance(number := action.details.get("flows"), int))
    if flows:
        return (
            "The watched flow was not interrupted" if flows == 1 else f"None of {flows:,} watched flows was interrupted"
        )
    converged = seconds(report.summary.converged_s)
    if converged is None:
        return "The mesh was not seen converged, and no flow was watched"
    return f"All {count(report.summary.nodes) or ''} nodes knew the shortest paths after {converged}"
