"""`./dev prove`: searches what can happen to a few nodes, and tells what was covered."""

import sys
import time
from typing import Final

from tests.prove.explorer import begin, explore
from tests.prove.searches import DEEP

MOST: Final = 20_000  # states of one search, unless another number is given


def main(arguments: list[str]) -> int:
    """Runs all searches; returns an exit status."""
    if arguments and not arguments[0].isdigit():
        print("usage: ./dev prove [STATES]: so many of each search at most", file=sys.stderr)
        return 2
    most = int(arguments[0]) if arguments else MOST
    print(f"{'search':45} {'states':>8} {'steps':>8} {'depth':>6} {'at rest':>8} {'s':>6}")
    for one in DEEP:
        began = time.monotonic()
        found = explore(begin(one.links, one.bounds, liar=one.liar), most=most)
        counts = f"{found.states:8,} {found.transitions:8,} {found.depth:6} {found.at_rest:8,}"
        rest = "" if found.is_complete else "  not all: there are more within the bounds"
        print(f"{one.name:45} {counts} {time.monotonic() - began:6.0f}{rest}", flush=True)
    print("no train went in circles, and all states at rest had or found the shortest routes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
