from pathlib import Path

import pytest

from tests.mutate.__main__ import chosen, default_tests, is_named
from tests.mutate.runner import ROOT

MODULE = ROOT / "mycelium" / "outbox.py"


@pytest.mark.parametrize("name", ["Outbox.add", "Outbox", "add"])
def test_a_method_is_named_by_itself_its_class_or_both(name: str) -> None:
    assert is_named("Outbox.add", ["x", name])


def test_a_part_of_a_name_names_nothing_and_without_names_all_are_wanted() -> None:
    assert not is_named("Outbox.add", ["ad", "Out", "Outbox.ad"])
    assert is_named("Outbox.add", [])


def test_only_mutants_of_the_named_functions_are_chosen() -> None:
    everything = chosen([MODULE], [])[MODULE]
    function = everything[-1].mutation.function
    names = [mutant.name for mutant in everything if mutant.mutation.function == function]
    named = chosen([MODULE, Path(__file__)], [function])
    assert {path: [mutant.name for mutant in mutants] for path, mutants in named.items()} == {MODULE: names}
    assert 0 < len(names) < len(everything)


def test_a_name_of_no_function_ends_the_program_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=r"^nonsense is none of the functions that can be changed: "):
        chosen([MODULE], ["nonsense"])


def test_a_module_without_functions_ends_the_program() -> None:
    with pytest.raises(SystemExit, match="nothing to be changed"):
        chosen([ROOT / "mycelium" / "limits.py"], [])


@pytest.mark.parametrize(
    ("module", "tests"),
    [
        ("mycelium/link/path/rtt.py", "tests/link/path"),
        ("mycelium/session/key_proofs.py", "tests/session"),
        ("mycelium/outbox.py", "tests/test_outbox.py"),
        ("sim/net/events.py", "tests/sim/net"),
        ("sim/quantiles.py", "tests/sim/test_quantiles.py"),
    ],
)
def test_the_tests_of_a_module_are_in_the_folder_that_mirrors_its_own(module: str, tests: str) -> None:
    assert default_tests(ROOT / module) == tests
