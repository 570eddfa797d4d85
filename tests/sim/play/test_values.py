"""Values that a user gives for parameters of a run: what can't be is one clear error."""

from typing import Any

import pytest

from mycelium.errors import ConfigError
from mycelium.routing.parameters import RoutingParameters
from sim.play.run import NODE, ROUTING, Run, RunSpec
from sim.play.values import check_values, defaults_of


@pytest.mark.parametrize("fidelity", [ROUTING, NODE])
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("scope", "abc", "it is a whole number"),
        ("scope", 0, "it is more than 0"),
        ("scope", 2.5, "it is a whole number"),
        ("scope", True, "it is a whole number"),
        ("digest_s", 0, "it is more than 0"),
        ("batch_s", -1, "it is at least 0"),
        ("batch_s", float("nan"), "it is a finite number"),
        ("jitter_s", float("inf"), "it is a finite number"),
        ("jitter_s", "long", "it is a number"),
        ("loss", 1, "it is at least 0, and less than 1"),
        ("standing", "maybe", "it is one of auto, yes, no"),
        ("is_leaf", "maybe", "it is true or false"),
        ("lazy_s", 5, "it can't be given here"),
        ("stride", -1, "it is at least 0"),
        ("black_hole_s", "x", "it is a number"),
        ("flows", "abc", "it is a whole number"),
        ("flows", -1, "it is at least 0"),
        ("outage_max_s", "abc", "it is a number"),
    ],
)
def test_a_value_that_cannot_be_is_one_clear_error(fidelity: str, name: str, value: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}={value} is not possible: {reason}"):
        Run(RunSpec("ba:m=2", 12, "cut", 1, fidelity, {name: value}))


def test_a_scenario_checks_what_stands_behind_its_name() -> None:
    with pytest.raises(ConfigError, match=r"^flows=x is not possible: it is a whole number"):
        Run(RunSpec("ba:m=2", 12, "cut:flows=x", 1, ROUTING, {}))


def test_what_can_be_is_taken() -> None:
    defaults = {"count": 3, "wait_s": 60, "back_s": -3600, "how": "drop", "any": None}
    check_values({"count": 0, "wait_s": 0.5, "back_s": -1.5, "how": "swing", "any": [1], "other": object()}, defaults)
    check_values(defaults_of(RoutingParameters), defaults_of(RoutingParameters))


def test_parameters_of_routing_reach_whole_nodes() -> None:
    run = Run(RunSpec("ba:m=2", 12, "start", 1, NODE, {"scope": 8}))
    assert run.stage.mesh.scope == 8
