"""Updates of rows in a row that go to the same neighbours, so that each gets a whole run of them at once."""

from mycelium.routing.table import RouteTable
from mycelium.wire.control import Item


class UpdateRun:
    """Updates of consecutive rows that go to the same neighbours."""

    __slots__ = ("_table", "receivers", "updates")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self.receivers = 0  # bits
        self.updates: list[Item] = []

    def end(self, receivers: int = 0) -> None:
        """Queues the updates for their receivers, and starts a run for others."""
        if self.updates:
            for neighbour in self._table.neighbours_in(self.receivers):
                neighbour.updates += self.updates
            self.updates.clear()
        self.receivers = receivers
