"""Scenarios as files: what they may say, and that errors are named."""

import inspect
from pathlib import Path

import pytest

from mycelium.errors import ConfigError
from sim.play import scenario
from sim.play.actions import ACTIONS

CUT = """
about = "test"
[parameters]
flows = 3
[[steps]]
do = "watch"
flows = "$flows"
pair = [1, 2]
"""


@pytest.mark.parametrize("name", scenario.names())
def test_every_scenario_that_comes_along_takes_only_steps_that_exist(name: str) -> None:
    loaded = scenario.load(name, {})
    assert loaded.about.endswith((".", "?"))
    for step in loaded.steps:
        inspect.signature(ACTIONS[step.do]).bind(None, **step.arguments)


def test_there_are_a_dozen_scenarios_among_them_start_and_cut() -> None:
    assert len(scenario.names()) >= 12
    assert {"start", "cut"} <= {*scenario.names()}


def test_parameters_are_set_behind_the_name_or_from_outside_and_else_have_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(CUT)
    assert scenario.load(str(file), {}).steps[0].arguments == {"flows": 3, "pair": [1, 2]}
    assert scenario.load(f"{file}:flows=5", {}).steps[0].arguments["flows"] == 5
    assert scenario.load(str(file), {"flows": 7, "loss": 0.1}).parameters == {"flows": 7}


def test_a_python_file_may_compute_its_steps(tmp_path: Path) -> None:
    file = tmp_path / "many.py"
    file.write_text(
        "ABOUT = 'many cuts'\nPARAMETERS = {'cuts': 2}\n"
        "def steps(parameters):\n    return [{'do': 'cut', 'count': n} for n in range(parameters['cuts'])]\n"
    )
    assert [step.arguments["count"] for step in scenario.load(f"{file}:cuts=3", {}).steps] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("about = 3", "about"),
        ("not toml", "mine"),
        ('about = "x"\nsteps = [{ link = 1 }]', '"do"'),
        ('about = "x"\nsteps = [{ do = "cut", count = "$none" }]', "not one of its parameters"),
        ('about = "x"\nsurprise = 1\nsteps = []', "surprise"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=complaint):
        scenario.load(str(file), {})


@pytest.mark.parametrize("text", ["nowhere", "cut:nothing=1", "cut:flows", "./missing.toml", "missing.py"])
def test_what_does_not_exist_is_a_clear_error(text: str) -> None:
    with pytest.raises(ConfigError):
        scenario.load(text, {})


def test_a_scenario_promises_bounds_that_parameters_may_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('about = "x"\nsteps = []\n[parameters]\ns = 2\n[expect]\noutage_max_s = "$s"\nfalse_dead = 0\n')
    assert scenario.load(f"{file}:s=0.5", {}).promises == {"outage_max_s": 0.5, "false_dead": 0}


@pytest.mark.parametrize(
    ("expectation", "complaint"),
    [("speed = 1", "speed"), ('outage_max_s = "$none"', "not one of its"), ('outage_max_s = "soon"', "not a number")],
)
def test_a_promise_of_what_is_not_measured_or_without_a_bound_is_refused(
    tmp_path: Path, expectation: str, complaint: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'about = "x"\nsteps = []\n[expect]\n{expectation}\n')
    with pytest.raises(ConfigError, match=complaint):
        scenario.load(str(file), {})
