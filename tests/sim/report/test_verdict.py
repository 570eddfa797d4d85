"""The verdict: what came of a run, in one sentence that is true of it."""

from typing import Any

import pytest

from sim.report.report import collect
from sim.report.verdict import verdict

RUN = {"type": "run", "nodes": 3, "fidelity": "routing"}
SUMMARY = {"type": "summary", "nodes": 3, "converged_s": 0.25}
WATCH = {"type": "action", "t": 1.0, "what": "watch", "flows": 2}
HELD = "; all invariants held and all promises were kept."


def outage(flow: int, outage_s: float | None, repair_s: float | None = 0.1, pathless_s: float = 0.0) -> dict[str, Any]:
    after_s = None if repair_s is None else repair_s + pathless_s
    times = {"outage_s": outage_s, "after_detection_s": after_s, "repair_s": repair_s}
    return {"type": "outage", "flow": [0, flow], **times}


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([RUN, SUMMARY], f"All 3 nodes knew the shortest paths after 250 ms{HELD}"),
        ([RUN, {"type": "summary"}], f"The mesh was not seen converged, and no flow was watched{HELD}"),
        ([RUN, WATCH, SUMMARY], f"None of 2 watched flows was interrupted{HELD}"),
        ([RUN, {**WATCH, "flows": 1}, SUMMARY], f"The watched flow was not interrupted{HELD}"),
        (
            [RUN, WATCH, outage(1, 0.3), SUMMARY],
            "The interrupted flow came back within 300 ms, of which 200 ms were assumed for noticing the fault; "
            f"the repair itself took 100 ms (median), 100 ms at most{HELD}",
        ),
        (
            [{**RUN, "fidelity": "node"}, WATCH, outage(1, 0.3), outage(2, 0.25, 0.05), SUMMARY],
            "All 2 interrupted flows came back within 300 ms, of which 200 ms were needed for noticing the fault; "
            f"the repair itself took 50 ms (median), 100 ms at most{HELD}",
        ),
        (
            [RUN, WATCH, outage(1, 20.3, pathless_s=20.0), SUMMARY],
            "The interrupted flow came back within 20.30 s, of which 200 ms were assumed for noticing the fault, and up to "
            "20.00 s passed without any path in the mesh; the repair itself took 100 ms (median), 100 ms at most",
        ),
        (
            [RUN, WATCH, outage(1, 0.3), outage(2, None, None), SUMMARY],
            "Of 2 interrupted flows 1 had not come back at the end, the others came back within 300 ms, of which ",
        ),
        ([RUN, WATCH, outage(1, None, None), SUMMARY], f"The interrupted flow did not come back until the end{HELD}"),
        (
            [RUN, WATCH, outage(1, None, None), outage(2, None, None), SUMMARY],
            f"None of the 2 interrupted flows came back until the end{HELD}",
        ),
        (
            [RUN, {"type": "sample", "t": 2.5}],
            "The run was interrupted after 2.50 s: this is what there was until then.",
        ),
        ([RUN], "The run was interrupted: this is what there was until then."),
        ([RUN, {"type": "action", "what": "interrupted"}, SUMMARY], "The run was interrupted: this is what"),
        (
            [RUN, {"type": "violation", "t": 1.5, "what": "loop", "nodes": [1, 2, 1]}, {"type": "violation"}, SUMMARY],
            "The run failed: loop at 1.50 s, nodes 1, 2, 1 (and 1 more).",
        ),
        (
            [
                RUN,
                {"type": "violation", "what": "promise broken", "promise": "outage_max_s", "bound": 3.0, "found": 3.5},
            ],
            "The run failed: promise broken, longest outage of a flow while there was a path: was 3.50 s, promised at most",
        ),
    ],
)
def test_a_run_is_told_in_one_sentence(records: list[dict[str, Any]], told: str) -> None:
    sentence = verdict(collect(records))
    assert sentence.startswith(told)
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
