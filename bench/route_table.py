"""What a large table costs one node: how long it takes, and how long it holds everything else up.

    ./dev bench route_table 10000 60000 --links 4

A routing engine with so many routes, each of which all its neighbours advertise with metrics of their own. Times are
milliseconds of processor time, with the encoding of what neighbours are told. `digests`: one comparison of tables with each
neighbour. `loss`: the neighbour that most routes lead through is lost; `return`: it comes back. `dearer`: its link's cost
doubles. Of these, `longest` is the longest that one call holds everything else up, and `kB` what neighbours are told.
"""

import argparse
import gc
import random
import resource
from collections.abc import Callable
from functools import partial
from time import process_time

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Digest, Item, ItemEncoder, Update
from mycelium.wire.distance import distance
from mycelium.wire.home_record import HomeRecord

EPOCH = 1
COST = 100
METRICS = 1_000, 50_000
MILLI = 1e3
QUIET_S = 0.5


def address(name: int) -> bytes:
    """Returns the address of a node, which is as random as a real one."""
    return b"\x04" + random.Random(name).randbytes(15)


def announcement(node: bytes, sequence: int = EPOCH << 16) -> Announcement:
    """Returns an announcement that nobody has signed."""
    return Announcement(node + bytes(16), sequence, bytes(8))


class Table:
    """An engine, the time of its calls, and what it tells."""

    def __init__(self, routes: int, links: int) -> None:
        self.now = 0.0
        self.neighbours = [address(-1 - link) for link in range(links)]
        self.nodes = [address(name) for name in range(routes)]
        self.calls: list[float] = []
        self.told_bytes = 0
        own = address(routes)
        self.engine = RoutingEngine(
            node=own,
            announce=lambda sequence, flags: announcement(own, sequence),
            publish=lambda sequence, number, home, backup: HomeRecord(
                own * 2, sequence, number, bytes(8), home, backup
            ),
            verify=lambda signed: True,
            address_of=lambda key: key[:16],
            epoch=EPOCH,
            rng=random.Random(1),
            now=self.now,
        )

    def call(self, do: Callable[[], object]) -> None:
        """Makes a call and sends what it has for neighbours, as a node does."""
        started = process_time()
        do()
        encode = ItemEncoder()
        for _, items in self.engine.outbox:
            self.told_bytes += sum(len(encode(item)) for item in items)
        self.engine.outbox.clear()
        self.calls.append(process_time() - started)

    def settle(self, seconds: float = QUIET_S) -> None:
        """Lets time pass."""
        until = self.now + seconds
        while (due := self.engine.next_deadline()) <= until:
            self.now = max(due, self.now)
            self.call(lambda: self.engine.handle_timeout(now=self.now))
        self.now = until

    def bring_up(self, link: int) -> None:
        """Brings a neighbour up, which then tells its whole table."""
        neighbour = self.neighbours[link]
        self.call(lambda: self.engine.neighbour_up(neighbour, COST, now=self.now))
        self.settle()
        self.hear(link)

    def hear(self, link: int) -> None:
        """Has a neighbour tell its whole table, at a pace that it may have."""
        dice = random.Random(link)
        table: list[Item] = [
            Update(node, distance(EPOCH << 16, dice.randint(*METRICS)), announcement(node)) for node in self.nodes
        ]
        for start in range(0, len(table), 100):
            items = table[start : start + 100]
            self.call(partial(self.engine.receive, self.neighbours[link], items, now=self.now))
            self.settle(0.1)

    def measure(self, what: str, do: Callable[[], object]) -> str:
        """Returns what a call and all that follows from it cost."""
        self.calls.clear()
        self.told_bytes = 0
        self.call(do)
        self.settle()
        total, longest = sum(self.calls) * MILLI, max(self.calls) * MILLI
        return f"{what} {total:.1f} ms (longest {longest:.1f}, {self.told_bytes / 1e3:.0f} kB)"

    def digests(self) -> str:
        """Returns what a comparison of tables in both directions costs with one neighbour."""
        self.settle(100.0)
        self.calls.clear()
        self.settle(60.0)
        sent = sum(self.calls) * MILLI / len(self.neighbours)
        self.calls.clear()
        self.call(lambda: self.engine.receive(self.neighbours[0], [Digest(bytes(16), 0)], now=self.now))
        return f"digest: made {sent:.2f} ms, compared {self.calls[0] * MILLI:.2f} ms"


def measure(routes: int, links: int) -> None:
    """Prints one line."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = Table(routes, links)
    for link in range(links):
        table.bring_up(link)
    learnt = sum(table.calls) * 1e6 / routes / links
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    best, engine = table.neighbours[0], table.engine
    lines = [
        table.digests(),
        table.measure("dearer", lambda: engine.neighbour_cost(best, 2 * COST, now=table.now)),
        table.measure("loss", lambda: engine.neighbour_down(best, now=table.now)),
        table.measure("return", lambda: engine.neighbour_up(best, COST, now=table.now)),
    ]
    print(
        f"{routes} routes, {links} links: learnt in {learnt:.1f} us each, {used:.0f} MiB; {'; '.join(lines)}",
        flush=True,
    )


def main() -> None:
    """Prints a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("routes", type=int, nargs="*", default=[10_000, 60_000])
    parser.add_argument("--links", type=int, default=4)
    arguments = parser.parse_args()
    for routes in arguments.routes:
        measure(routes, arguments.links)


if __name__ == "__main__":
    main()
