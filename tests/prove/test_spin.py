"""The model of routing for Spin follows the code: our engines have the same tables after each event of its traces."""

import pytest

from mycelium.routing.selection import Selection
from tests.prove.searches import careless
from tests.prove.spin import TRACES, replayed, traces

RECORDED = list(traces(TRACES.read_text()))


def test_engines_have_the_tables_of_the_model_after_each_event() -> None:
    events = set()
    for trace in RECORDED:
        for line, tables in replayed(trace):
            assert tables == line.tables, f"after {[one[:3] for one in trace[: trace.index(line) + 1]]}"
            events.add(line.what)
    assert events == {"deliver", "rise", "notice", "suspect", "cut", "mend", "restart", "bump"}


def test_an_engine_that_follows_other_rules_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Selection, "reselect", careless)
    assert any(tables != line.tables for trace in RECORDED for line, tables in replayed(trace))
