"""One engine under test, node 0 unless said otherwise, and neighbours that say what the test tells them to."""

from dataclasses import asdict

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import address, announcement, make_engine

EPOCH = 10


def seq(counter: int = 0, epoch: int = EPOCH) -> int:
    """Returns a sequence."""
    return epoch << 16 | counter


def update(name: int, metric: int, counter: int = 0, *, epoch: int = EPOCH, bare: bool = False) -> Update:
    """Returns an update about node `name`, with its announcement unless `bare`."""
    sequence = seq(counter, epoch)
    return Update(address(name), distance(sequence, metric), None if bare else announcement(name, sequence))


def retraction(name: int, counter: int = 0) -> Update:
    """Returns a retraction."""
    return Update(address(name), distance(seq(counter), INFINITY))


class RoutingLab:
    """Time stands still but for `flush` and `wait`."""

    def __init__(self, parameters: RoutingParameters | None = None, *, name: int = 0, seed: int = 0) -> None:
        self.now = 1_000.0
        self.engine: RoutingEngine = make_engine(
            name, epoch=EPOCH, now=self.now, seed=seed, parameters=parameters or RoutingParameters()
        )

    def up(self, *names: int, cost: int = 10) -> None:
        """Brings neighbours up and lets what they are told first pass."""
        for name in names:
            self.engine.neighbour_up(address(name), cost, now=self.now)
        self.flush()

    def down(self, name: int) -> None:
        self.engine.neighbour_down(address(name), now=self.now)

    def says(self, name: int, *items: Item) -> None:
        """Has a neighbour say something."""
        self.engine.receive(address(name), items, now=self.now)

    def flush(self) -> dict[int, list[Item]]:
        """Lets 10 ms pass and returns what each neighbour is told."""
        return self.wait(0.010)

    def wait(self, seconds: float) -> dict[int, list[Item]]:
        """Lets time pass and returns what each neighbour is told."""
        until = self.now + seconds
        told: dict[int, list[Item]] = {}
        while True:
            self.now = min(max(self.now, self.engine.next_deadline()), until)
            self.engine.handle_timeout(now=self.now)
            for neighbour, items in self.engine.outbox:
                told.setdefault(int.from_bytes(neighbour[2:8], "big"), []).extend(items)
            self.engine.outbox.clear()
            if self.now >= until:
                return told

    def updates(self, told: dict[int, list[Item]], about: int) -> dict[int, list[tuple[int, int]]]:
        """Returns sequence counter and metric of each update about a node, by neighbour."""
        return {
            name: [(item.sequence & 0xFFFF, item.metric) for item in found]
            for name, items in told.items()
            if (found := [item for item in items if isinstance(item, Update) and item.node == address(about)])
        }

    def requests(self, told: dict[int, list[Item]]) -> list[tuple[int, SeqnoRequest]]:
        return [(name, item) for name, items in told.items() for item in items if isinstance(item, SeqnoRequest)]

    def questions(self, told: dict[int, list[Item]]) -> list[tuple[int, RouteRequest]]:
        return [(name, item) for name, items in told.items() for item in items if isinstance(item, RouteRequest)]

    def next_hop(self, about: int) -> int | None:
        hop = self.engine.forwarding.next_hop.get(address(about))
        return None if hop is None else int.from_bytes(hop[2:8], "big")

    def metric(self, about: int) -> int | None:
        return next((r.metric for r in self.engine.selected_routes() if r.node == address(about)), None)

    def count(self, counter: str) -> int:
        values: dict[str, int] = asdict(self.engine.counters) | self.engine.sizes()
        return values[counter]

    def resolved(self, about: int) -> Announcement | None:
        return self.engine.resolve(address(about))
