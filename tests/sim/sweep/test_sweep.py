"""Sweeps: every combination once, nothing lost to a dead worker, a crash or Ctrl-C, and one table of it all."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from sim.play.run import RunSpec
from sim.sweep.sweep import carry_out, make_specs, parse_seeds, parse_settings, run_key

BASE = RunSpec(topology="ring", nodes=10, scenario="cut")


def test_settings_are_read_as_numbers_truth_values_and_texts() -> None:
    assert parse_settings(["nodes=10,20", "loss=0.5,1e-3", "signed=true,false", "how=forge"]) == {
        "nodes": [10, 20],
        "loss": [0.5, 0.001],
        "signed": [True, False],
        "how": ["forge"],
    }


def test_topologies_are_separated_by_semicolons_and_a_key_may_come_twice() -> None:
    assert parse_settings(["topology=ws:k=6,p=0.1; ba:m=2", "topology=ring;ba:m=2"]) == {
        "topology": ["ws:k=6,p=0.1", "ba:m=2", "ring"]
    }


@pytest.mark.parametrize("text", ["nodes", "=1", "nodes=", "nodes=1,,2", "nodes=many", "seed=1", "topology=ring;"])
def test_a_bad_setting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_settings([text])


def test_seeds_are_numbers_and_ranges_that_include_both_ends() -> None:
    assert parse_seeds("3") == [3]
    assert parse_seeds("0..3") == [0, 1, 2, 3]
    assert parse_seeds("7,0..2,1") == [7, 0, 1, 2]


@pytest.mark.parametrize("text", ["", "x", "3..1", "0..", "0..999999999999", "1;2"])
def test_bad_seeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_seeds(text)


@given(text=st.text(alphabet="0123456789.,-=;ab", max_size=12))
def test_any_text_is_settings_or_seeds_or_a_clear_refusal(text: str) -> None:
    for parse in (parse_seeds, lambda text: parse_settings([text])):
        with contextlib.suppress(ConfigError):
            parse(text)


def test_specs_are_all_combinations_for_every_seed() -> None:
    specs = make_specs(BASE, {"nodes": [10, 20], "flows": [1, 2]}, [5, 6])
    found = [(spec.seed, spec.nodes, spec.parameters) for spec in specs]
    one_seed = [(10, {"flows": 1}), (10, {"flows": 2}), (20, {"flows": 1}), (20, {"flows": 2})]
    assert found == [(seed, nodes, parameters) for seed in (5, 6) for nodes, parameters in one_seed]


def test_too_large_a_sweep_is_refused_before_it_begins() -> None:
    with pytest.raises(ConfigError, match="200000 runs are too many"):
        make_specs(BASE, {"flows": list(range(2_000))}, list(range(100)))


def test_a_key_names_a_run_whatever_the_order_of_its_parameters() -> None:
    one, other = (
        RunSpec(topology="ring", nodes=3, scenario="cut", parameters=parameters)
        for parameters in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert run_key(one) == run_key(other)
    assert run_key(one) != run_key(BASE)


def test_a_run_without_a_summary_is_an_error() -> None:
    assert carry_out(BASE, lambda spec: iter([{"type": "run"}])).error == "the run gave no summary"
