"""How much of whole tables is told at once: their acknowledgements wait in front of this node where packets do."""

from collections.abc import Callable
from typing import Final

from mycelium.limits import DUMP_ROWS_AT_ONCE, DUMPED_AT_ONCE, DUMPS_UNTAKEN_BYTES
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable

FEW: Final = 64  # neighbours, all of which may be told their tables side by side
# for the acknowledgement of a portion: a neighbour that takes longer, or never gives one, holds nobody up
AWAITED_S: Final = 1.0


class Dumps:
    """The neighbours that have not acknowledged what they were told of a table lately."""

    __slots__ = ("_table", "_told_at")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._told_at: dict[bytes, float] = {}  # by neighbour, the one that was told last is last

    def told(self, neighbour: Neighbour, *, now: float) -> None:
        """Notes that a neighbour is told a portion of the table."""
        self._told_at.pop(neighbour.address, None)
        self._told_at[neighbour.address] = now

    def room(self, untaken_bytes: Callable[[bytes], int], *, now: float) -> int:
        """Returns how many rows may be told now to all together; `untaken_bytes` tells what one has not acknowledged."""
        if len(self._table.by_address) <= FEW:
            self._told_at.clear()
            return DUMPED_AT_ONCE
        untaken = {
            address: untaken_bytes(address)
            for address, at in self._told_at.items()
            if now < at + AWAITED_S and address in self._table.by_address
        }
        self._told_at = {address: self._told_at[address] for address, size in untaken.items() if size}
        return 0 if sum(untaken.values()) >= DUMPS_UNTAKEN_BYTES else DUMP_ROWS_AT_ONCE
