"""`./dev prove`: searches what can happen to a few nodes, and what an attacker can do to handshakes; tells what was covered."""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.prove import handshakes, joining, spin
from tests.prove.attacker import Searched
from tests.prove.explorer import begin, explore
from tests.prove.gates import search_gates
from tests.prove.searches import DEEP

MOST: Final = 20_000  # states of one search, unless another number is given
GATE_STEPS: Final = 5


def main(arguments: list[str]) -> int:
    """Runs all searches; returns an exit status."""
    if arguments and not arguments[0].isdigit():
        print("usage: ./dev prove [STATES]: so many of each search at most", file=sys.stderr)
        return 2
    most = int(arguments[0]) if arguments else MOST
    _prove_handshakes(most)
    _prove_model()
    _prove_routing(most)
    return 0


def _prove_handshakes(most: int) -> None:
    searches: dict[str, Callable[[], Searched]] = {
        one.name: partial(handshakes.run_search, one, most=most) for one in (*handshakes.QUICK, *handshakes.DEEP)
    }
    searches |= {one.name: partial(joining.run_join_search, one, most=most) for one in joining.JOINS}
    searches["first messages and cookies at two gates"] = partial(search_gates, depth=GATE_STEPS)
    print(f"{'search':55} {'states':>8} {'ends':>8} {'s':>6}")
    for name, run in searches.items():
        began = time.monotonic()
        found = run()
        print(
            f"{name:55} {found.states:8,} {found.ends:8,} {time.monotonic() - began:6.0f}{_rest(found.is_complete)}",
            flush=True,
        )
    print("no promise was broken\n")


def _prove_model() -> None:
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        print("the model of routing was not searched: Spin and gcc are not installed\n")
        return
    print(f"{'model of routing, whose traces our engines follow':55} {'states':>8} {'s':>6}")
    for defines in spin.SEARCHES:
        began = time.monotonic()
        states, is_right = spin.search_model(defines)
        print(f"{defines:55} {states:8,} {time.monotonic() - began:6.0f}", flush=True)
        assert is_right, "a train went in circles: spin -run shows how"
    assert not spin.search_model(spin.CARELESS)[1], "Spin does not find what was planted"
    assert spin.record() == spin.TRACES.read_text(), "the traces that the tests replay are of another model"
    print("no train went in circles, but in the model without feasibility\n")


def _prove_routing(most: int) -> None:
    print(f"{'search':45} {'states':>8} {'steps':>8} {'depth':>6} {'at rest':>8} {'s':>6}")
    for one in DEEP:
        began = time.monotonic()
        found = explore(begin(one.links, one.bounds, liar=one.liar), most=most)
        counts = f"{found.states:8,} {found.transitions:8,} {found.depth:6} {found.at_rest:8,}"
        print(f"{one.name:45} {counts} {time.monotonic() - began:6.0f}{_rest(found.is_complete)}", flush=True)
    print("no train went in circles, and all states at rest had or found the shortest routes")


def _rest(is_complete: bool) -> str:
    return "" if is_complete else "  not all: there are more within the bounds"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
