"""The progress bar of a run."""

import io

import pytest
from rich.console import Console

from sim.report.progress import Progress

SAMPLE = {"type": "sample", "t": 1.5, "wall_s": 2.0, "converged_nodes": 3, "events": 600}


def shown(*, is_shown: bool, is_terminal: bool = True) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=is_terminal, _environ={"TERM": "xterm"})
    with Progress(5, console=console, is_shown=is_shown) as bar:
        bar.take({"type": "action", "what": "cut"})
        bar.take(SAMPLE)
        bar.take({"type": "outage"})
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_shows_the_action_the_converged_nodes_and_both_times() -> None:
    text = shown(is_shown=True)
    assert "cut" in text
    assert "3/5 nodes converged" in text
    assert "1.50 s virtual, 2.0 s real, 300 events/s" in text


@pytest.mark.parametrize(("is_shown", "is_terminal"), [(False, True), (True, False)])
def test_it_shows_nothing_if_it_is_not_wanted_or_there_is_no_terminal(is_shown: bool, is_terminal: bool) -> None:
    assert shown(is_shown=is_shown, is_terminal=is_terminal).strip() == ""


def test_samples_that_follow_too_quickly_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 10.0, 10.1, 10.3, 10.3])
    monkeypatch.setattr("sim.report.progress.time.monotonic", lambda: next(times))
    bar = Progress(5, console=Console(quiet=True), is_shown=False)
    for _ in range(3):
        bar.take(SAMPLE)
    assert list(times) == []
