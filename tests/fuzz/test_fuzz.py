"""A portion of the fuzzing, by seeded dice: what is kept of earlier runs, and changes of it."""

import ast
import random
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.neighbour import Find, FuzzAct, FuzzedMesh, FuzzingNeighbour, act, acts_of, open_line
from tests.fuzz.targets import TARGETS, corpus_of

INPUTS: Final = {"decoders": 20_000, "neighbour": 150, "member": 75, "scoped": 75}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_and_changes_of_it_are_survived(name: str) -> None:
    run, corpus = TARGETS[name].make(), corpus_of(name)
    for data in (*corpus, *islice(mutated(corpus, random.Random(1)), INPUTS[name])):
        run(data)


def test_each_decoder_of_the_wire_is_fuzzed() -> None:
    folder = Path(__file__).parents[2] / "mycelium/wire"
    names = {
        node.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("decode_")
    }
    fuzzed = Path(__file__).with_name("decoders.py").read_text()
    assert [name for name in sorted(names) if name not in fuzzed] == []


def test_acts_are_read_as_they_were_written_and_a_cut_one_as_far_as_it_goes() -> None:
    data = act(FuzzAct.CONTROL, b"one") + act(FuzzAct.WAIT, b"")
    assert list(acts_of(data)) == [(FuzzAct.CONTROL, b"one"), (FuzzAct.WAIT, b"")]
    assert list(acts_of(data[:5])) == [(FuzzAct.CONTROL, b"on")]


def test_what_went_wrong_is_told_with_all_acts_that_led_there(monkeypatch: pytest.MonkeyPatch) -> None:
    attacker = FuzzingNeighbour(open_line)
    attacker(act(FuzzAct.WAIT, b"\x01"))

    def fail(self: FuzzedMesh, body: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(FuzzedMesh, "_control", fail)
    with pytest.raises(Find) as found:
        attacker(act(FuzzAct.CONTROL, b"x"))
    assert found.value.acted == act(FuzzAct.WAIT, b"\x01") + act(FuzzAct.CONTROL, b"x")
    assert isinstance(found.value.__cause__, ZeroDivisionError)
