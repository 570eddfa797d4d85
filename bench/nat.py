"""Which path do two nodes find that sit behind NATs, and what does the change to it cost?

    ./dev bench nat
    ./dev bench nat --kinds symmetric port-restricted --runs 3

For each pair of the classic kinds of NAT a lab is made: two nodes, each behind a NAT of its kind and linked with two public
relays 10 ms away. Then one pings the other: over a relay at first. A pair is "direct" when its two nodes have a link whose
datagrams pass no relay, "leased" when they pass the kernel of one, and "relayed" when there is no link. `found_s` is the time
from the first ping to the first answer after routing had taken that link; the round trips are medians before that and
of the last pings; `lost` counts pings of the whole run. As root: hosts are network namespaces of this machine. All pairs
take about eight minutes.
"""

import argparse
import contextlib
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations, product
from pathlib import Path
from typing import Final, NamedTuple

from bench.support.report import Row, print_table, progress, write_json_lines
from tests.lab.cable_emulator import CableTraits
from tests.lab.daemon import PORT, LabDaemon, start_all
from tests.lab.laboratory import Lab, remove_leftovers
from tests.lab.nat import CLASSIC, Internet, NatKind
from tests.lab.ping import PingResult, ping
from tests.lab.waiting import wait_until

COLUMNS: Final = ("from", "to", "path", "found_s", "before_ms", "after_ms", "lost", "sent", "failed")
RELAYS: Final = ("relay1", "relay2")
RELAY_DELAY_S: Final = 0.01
PING_INTERVAL_S: Final = 0.02
READY_SECONDS: Final = 60.0
ASK_EVERY_S: Final = 0.05
LAST_PINGS: Final = 50  # whose median is the round trip after the change

Pair = tuple[NatKind, NatKind]


class World(NamedTuple):
    """Two nodes behind NATs, and where the relays are."""

    one: LabDaemon
    other: LabDaemon
    relay_addresses: frozenset[str]


def main() -> None:
    """Measures and reports; on SIGTERM or SIGINT it reports what it has."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_leftovers()
    rows: list[Row] = []
    try:
        for _, pair in product(range(given.runs), product(given.kinds, given.kinds)):
            rows.append(_row(pair, given))
            progress(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
    except KeyboardInterrupt:
        progress("ended early")
    print_table(rows, COLUMNS)
    print()
    _print_square(rows, given.kinds)
    write_json_lines(rows, given.json)


def _row(pair: Pair, given: argparse.Namespace) -> Row:
    """Measures one pair once."""
    names: Row = {"from": pair[0].value, "to": pair[1].value}
    with Lab() as lab, _directory(given.logs, pair) as directory:
        try:
            return names | _measure(_started(lab, directory, pair), given.seconds)
        except AssertionError as error:
            progress(f"failed: {str(error)[:500]}")
            return names | {"failed": "yes"}


def _started(lab: Lab, directory: Path, pair: Pair) -> World:
    """Makes the network, starts all daemons, and waits for links with both relays and for routes."""
    internet = Internet(lab)
    traits = CableTraits(delay_s=RELAY_DELAY_S)
    relays = [LabDaemon(internet.add_host(name, traits=traits), directory) for name in RELAYS]
    cables = [lab.cables[number] for number in range(len(relays))]
    addresses = [cable.end(relay.host).ipv4 for cable, relay in zip(cables, relays, strict=True)]
    relays[1].peers.append(f"udp://{addresses[0]}:{PORT}")
    hosts = [internet.add_behind(kind, name) for kind, name in zip(pair, ("one", "other"), strict=True)]
    ends = [LabDaemon(host, directory) for host in hosts]
    for end in ends:
        end.peers += [f"udp://{address}:{PORT}" for address in addresses]
    lab.daemons += [*relays, *ends]
    start_all([*relays, *ends])
    for end, far in permutations(ends):
        wait_until(partial(_is_ready, end, far), READY_SECONDS, f"{end.name} has links and routes")
    return World(ends[0], ends[1], frozenset(addresses))


def _is_ready(end: LabDaemon, far: LabDaemon) -> bool:
    return len(end.alive_peers()) == len(RELAYS) and far.subnet in end.reachable_subnets()


def _measure(world: World, seconds: float) -> Row:
    """Pings for so many seconds and watches meanwhile which path is taken."""
    count = round(seconds / PING_INTERVAL_S)
    with ThreadPoolExecutor(1) as beside:
        pinging = beside.submit(ping, world.one.host, world.other.address, count=count, interval=PING_INTERVAL_S)
        begin = time.time()
        found_at = _wait_for_link(world, begin + seconds)
        result = pinging.result()
    return _figures(result, begin, found_at) | {"path": _path(world)}


def _wait_for_link(world: World, until: float) -> float | None:
    """Returns when both nodes began to use a link with one another, Unix seconds; None if they never did."""
    while time.time() < until:
        if all(_is_linked(near, far) for near, far in permutations((world.one, world.other))):
            return time.time()
        time.sleep(ASK_EVERY_S)
    return None


def _is_linked(near: LabDaemon, far: LabDaemon) -> bool:
    """Tells whether routing uses a link between these two."""
    return near.next_hops().get(far.subnet) == far.address


def _path(world: World) -> str:
    """Returns what the datagrams between the two pass now."""
    if not _is_linked(world.one, world.other):
        return "relayed"
    (peer,) = (peer for peer in world.one.get("admin/peers") if peer["publicKey"] == world.other.public_key)
    host = peer["endpoint"]["addr"]["socket"].rpartition(":")[0]
    return "leased" if host in world.relay_addresses else "direct"


def _figures(result: PingResult, begin: float, found_at: float | None) -> Row:
    lost = result.sent - result.received
    if found_at is None:
        return {
            "before_ms": statistics.median(result.round_trips_ms or [float("nan")]),
            "lost": lost,
            "sent": result.sent,
        }
    pairs = list(zip(result.answered_at, result.round_trips_ms, strict=True))
    before = [trip for at, trip in pairs if at < found_at] or [float("nan")]
    return {
        "found_s": round(found_at - begin + result.answered_after(found_at), 2),
        "before_ms": statistics.median(before),
        "after_ms": statistics.median(result.round_trips_ms[-LAST_PINGS:]),
        "lost": lost,
        "sent": result.sent,
    }


def _print_square(rows: list[Row], kinds: list[NatKind]) -> None:
    """Prints the paths of all pairs, and after what time each was found, in a square: who begins by lines."""
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found = f" {row['found_s']} s" if "found_s" in row else ""
        cells.setdefault((str(row["from"]), str(row["to"])), []).append(f"{row.get('path', 'failed')}{found}")
    square: list[Row] = [
        {"": one.value, **{other.value: ", ".join(cells.get((one.value, other.value), ())) for other in kinds}}
        for one in kinds
    ]
    print_table(square, ["", *(kind.value for kind in kinds)])


@contextlib.contextmanager
def _directory(folder: Path | None, pair: Pair) -> Iterator[Path]:
    """Yields a directory for the files of the daemons, which is kept if `folder` is given."""
    if folder is not None:
        kept = folder / f"{pair[0].name}-{pair[1].name}".lower()
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as passing:
        yield Path(passing)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(kind.value for kind in NatKind)
    parser.add_argument(
        "--kinds", nargs="+", type=NatKind, choices=list(NatKind), default=list(CLASSIC), metavar="KIND", help=names
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of pings for each pair")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="where to keep what the daemons wrote")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write JSON lines; standard output otherwise"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
