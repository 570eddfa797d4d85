"""How much of whole tables is told at once: their acknowledgements wait in front of this node where packets do."""

from collections.abc import Callable
from typing import Final

from mycelium.limits import DUMP_ROWS_AT_ONCE, DUMPED_AT_ONCE, DUMPS_UNTAKEN_BYTES
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import RouteTable

FEW: Final = 64  # neighbours, all of which may be told their tables side by side
# for the acknowledgement of a portion: a neighbour that takes longer, or never gives one, holds nobody up
AWAITED_S: Final = 1.0
ROUND_S: Final = 10.0  # for all tables that are being told, or hundreds of such neighbours would hold up a newcomer


class Dumps:
    """The neighbours that have not acknowledged what they were told of a table lately."""

    __slots__ = ("_awaited", "_most", "_table")

    def __init__(self, table: RouteTable) -> None:
        self._table = table
        self._most = 1  # tables that were being told at once since there was none
        self._awaited: dict[bytes, Neighbour] = {}  # by address

    def waiting(self) -> list[Neighbour]:
        """Returns the neighbours that are to be told more of the table, in turn."""
        waiting = [one for one in self._table.by_address.values() if one.dump_due or one.untold]
        return sorted(waiting, key=lambda one: one.dumped_at)

    def told(self, neighbour: Neighbour, *, now: float) -> None:
        """Notes that a neighbour is told a portion of the table."""
        neighbour.dumped_at = now
        self._awaited[neighbour.address] = neighbour

    def room(self, tables: int, untaken_bytes: Callable[[bytes], int], *, now: float) -> int:
        """Returns how many rows may be told now of so many tables together.

        `untaken_bytes` tells what a neighbour has not acknowledged.
        """
        if len(self._table.by_address) <= FEW:
            self._awaited.clear()
            return DUMPED_AT_ONCE
        self._most = max(self._most, tables) if tables else 1
        awaited_s = min(AWAITED_S, ROUND_S / self._most)
        untaken = {
            one: untaken_bytes(address)
            for address, one in self._awaited.items()
            if now < one.dumped_at + awaited_s and address in self._table.by_address
        }
        self._awaited = {one.address: one for one, size in untaken.items() if size}
        return 0 if sum(untaken.values()) >= DUMPS_UNTAKEN_BYTES else DUMP_ROWS_AT_ONCE
