"""What is fuzzed, and what each is fuzzed with at first: messages made by the encoders, and what was found worth keeping."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz import seeds
from tests.fuzz.decoders import decode
from tests.fuzz.neighbour import FuzzingNeighbour, member_line, open_line, scoped_line

CORPUS: Final = Path(__file__).with_name("corpus")


class Target(NamedTuple):
    """`make` returns a function that takes an input; `seeds` the inputs that encoders make."""

    make: Callable[[], Callable[[bytes], None]]
    seeds: Callable[[], list[bytes]]


TARGETS: Final = {
    "decoders": Target(lambda: decode, seeds.of_decoders),
    "neighbour": Target(lambda: FuzzingNeighbour(open_line), seeds.of_neighbour),
    "member": Target(lambda: FuzzingNeighbour(member_line), seeds.of_neighbour),
    "scoped": Target(lambda: FuzzingNeighbour(scoped_line), seeds.of_neighbour),
}


def corpus_of(name: str) -> list[bytes]:
    """Returns the inputs of a target: `corpus/NAME.txt` has one in hexadecimal on each line."""
    kept = CORPUS.joinpath(f"{name}.txt").read_text().split()
    return [*TARGETS[name].seeds(), *map(bytes.fromhex, kept)]


def keep(name: str, inputs: list[bytes]) -> None:
    """Keeps inputs of a target, those that encoders make aside."""
    found = sorted(set(inputs) - set(TARGETS[name].seeds()), key=lambda one: (len(one), one))
    CORPUS.joinpath(f"{name}.txt").write_text("".join(f"{one.hex()}\n" for one in found if one))
