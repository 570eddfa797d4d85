"""Recorded round trips: what a file may say, and what a link makes of it."""

from itertools import islice
from pathlib import Path

import pytest

import sim
from mycelium.errors import ConfigError
from sim.net import trace
from sim.net.trace import Recording
from sim.play.run import RunSpec, run


def written(folder: Path, *rows: str) -> str:
    file = folder / "rtt.csv"
    file.write_text("\n".join(["time_s,link,rtt_ms", *rows]) + "\n")
    return str(file)


@pytest.mark.parametrize("name", trace.names())
def test_every_trace_that_comes_along_can_be_read(name: str) -> None:
    assert len(trace.read(name)) >= 4


def test_rows_of_each_link_come_in_the_order_of_time(tmp_path: Path) -> None:
    found = trace.read(written(tmp_path, "11,n2-n1,30", "10,n1-n2,20.5", "10,n1-n3,7"))
    assert list(found) == [(1, 2), (1, 3)]
    assert list(islice(found[1, 2].steps(), 2)) == [(0.0, 0.0205), (1.0, 0.03)]


def test_a_recording_begins_again_when_its_last_row_has_held_as_long_as_the_others() -> None:
    steps = Recording([(0.0, 0.01), (2.0, 0.02), (4.0, 0.03)]).steps()
    assert [at for at, _ in islice(steps, 6)] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


def test_a_single_row_holds_for_ever() -> None:
    assert list(Recording([(3.0, 0.01)]).steps()) == [(0.0, 0.01)]


def test_what_twenty_real_daemons_under_load_saw_of_their_links_moves_no_route() -> None:
    mesh = f"file:{Path(sim.__file__).parent / 'traces' / 'twenty-daemons.json'}"
    *_, summary = run(RunSpec(mesh, 0, "trace", fidelity="node", parameters={"file": "twenty-daemons", "minutes": 0.5}))
    assert (summary["violations"], summary["figures"]["route_changes"]) == (0, 0)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,n1-n2", "line 2"),
        ("1,one-two,3", "'one-two' is not a valid link name"),
        ("soon,n1-n2,3", "soon"),
        ("1,n1-n2,-3", "is not a valid time"),
        ("1,n1-n2,inf", "is not a valid time"),
        ("nan,n1-n2,3", "is not a valid time"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_line(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        trace.read(written(tmp_path, row))


def test_a_file_that_is_no_trace_is_a_clear_error(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    for name in (str(other), str(tmp_path / "missing.csv"), written(tmp_path)):
        with pytest.raises(ConfigError, match="trace"):
            trace.read(name)
