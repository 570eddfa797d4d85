"""Runs one attack, in the attacker's host: links, says so, waits for a line, attacks, and tells how much it did.

python -m tests.hostile "swing metrics" --victim 10.0.3.2 9651 --rate 100000 --seconds 5
"""

import argparse
import json
import select
import sys
import time
from pathlib import Path

from mycelium.admin.network_file import read_network
from mycelium.daemon.node_settings import OPEN_NETWORK
from tests.hostile.acts import ACTS
from tests.hostile.attacker import TURN_S, Attacker


def main() -> None:
    """Attacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=list(ACTS))
    parser.add_argument("--victim", nargs=2, required=True, metavar=("ADDRESS", "PORT"))
    parser.add_argument("--rate", type=float, required=True, help="things a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--member", nargs=2, metavar=("FILE", "SEED"), help="of the attacker, in a network of members")
    given = parser.parse_args()
    chosen = ACTS[given.act]
    file, seed = given.member or ("", "")
    network = read_network(Path(file)) if file else OPEN_NETWORK
    attacker = Attacker((given.victim[0], int(given.victim[1])), network=network, seed=bytes.fromhex(seed))
    attacker.wait_linked()
    act = chosen.prepare(attacker)
    print(attacker.address, flush=True)
    while not _is_told():
        attacker.turn()
    begin = time.monotonic()
    acted = attacker.flood(act, per_second=given.rate / chosen.each, seconds=given.seconds)
    print(json.dumps({"per_second": acted * chosen.each / (time.monotonic() - begin)}), flush=True)


def _is_told() -> bool:
    """Tells whether there is something on standard input."""
    return bool(select.select([sys.stdin], [], [], TURN_S)[0])


if __name__ == "__main__":
    main()
