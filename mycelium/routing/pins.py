"""Pins: nodes that are kept in scope along the way to their homes, so that packets sent to a home find the node from there.

A node pins itself at its next hop towards its home, a landmark, and each node pins what is pinned at it at its own next hop
towards that home. Next hops to one node form no circle, so no pin keeps itself alive. A pin may come before the route of its
node. It carries the node's home record, which so comes to the homes, and to nobody else. Who has no room for a pin says so, and
that goes back to the node, which chooses another home.
"""

from collections.abc import Iterator
from typing import Final

from mycelium.limits import PINS, PINS_PER_NEIGHBOUR
from mycelium.routing.destination import NOBODY
from mycelium.routing.neighbour import Neighbour
from mycelium.routing.table import SLOTS, RouteTable
from mycelium.wire.control import Pin
from mycelium.wire.home_record import HomeRecord

OWN: Final = 1 << SLOTS  # a bit that is no neighbour's


class Pinned:
    """One node on the way to one home."""

    __slots__ = ("by", "full", "home", "node", "slot", "told")

    def __init__(self, node: bytes, home: bytes) -> None:
        self.node = node
        self.home = home
        self.by = 0  # bits of the neighbours that have pinned it here
        self.slot = NOBODY  # of the neighbour that it is pinned at
        self.full = NOBODY  # of one that has no room for it
        self.told: HomeRecord | None = None  # what that neighbour has of the node


class Pins:
    """All pins of this node."""

    __slots__ = ("_count_by_bit", "by_home", "by_node", "full", "records", "stale", "version")

    def __init__(self) -> None:
        self.by_node: dict[bytes, dict[bytes, Pinned]] = {}  # by node, then by home
        self.by_home: dict[bytes, dict[bytes, Pinned]] = {}  # by home, then by node
        self.records: dict[bytes, HomeRecord] = {}  # of nodes that are pinned here, the newest of each
        self.stale: dict[bytes, None] = {}  # homes that the way to, or the pins for, have changed
        self.version = 0  # grows whenever what is pinned here, or a record of it, changes
        self.full: dict[bytes, None] = {}  # homes of this node on the way to which there is no room for it
        self._count_by_bit: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.by_node)

    def pin(self, node: bytes, home: bytes, bit: int) -> bool:
        """Notes that a neighbour (bit) pins a node; returns False if it has too many."""
        pinned = self.by_node.get(node, {}).get(home)
        if pinned is not None and pinned.by & bit:
            return True
        if bit != OWN and (self._count_by_bit.get(bit, 0) >= PINS_PER_NEIGHBOUR or len(self.by_node) >= PINS):
            return False
        if pinned is None:
            pinned = Pinned(node, home)
            self.by_node.setdefault(node, {})[home] = pinned
            self.by_home.setdefault(home, {})[node] = pinned
        pinned.by |= bit
        self.version += 1
        self._count_by_bit[bit] = self._count_by_bit.get(bit, 0) + 1
        self.stale[home] = None
        return True

    def learn(self, node: bytes, record: HomeRecord) -> None:
        """Notes a newer home record of a node that is pinned here."""
        self.records[node] = record
        self.version += 1
        self.stale.update(dict.fromkeys(self.by_node[node]))

    def unpin(self, node: bytes, home: bytes, bit: int) -> None:
        """Notes that a neighbour pins a node no longer."""
        pinned = self.by_node.get(node, {}).get(home)
        if pinned is not None and pinned.by & bit:
            pinned.by &= ~bit
            self._count_by_bit[bit] -= 1
            self.stale[home] = None

    def taken_back(self, node: bytes, home: bytes, neighbour: Neighbour, table: RouteTable) -> bool:
        """Follows up that a neighbour pins a node no longer, or has no room for it; returns whether that is this node."""
        pinned = self.by_node.get(node, {}).get(home)
        if pinned is None or pinned.by & neighbour.bit or pinned.slot != neighbour.slot:
            self.unpin(node, home, neighbour.bit)
            return False
        pinned.slot, pinned.full = NOBODY, neighbour.slot
        for other in table.by_address.values():
            if pinned.by & other.bit:
                self.unpin(node, home, other.bit)
                other.requests.append(Pin(node, home, False))
        if pinned.by & OWN:
            self.full[home] = None
        return bool(pinned.by & OWN)

    def ask_again(self, node: bytes, home: bytes) -> None:
        """Tries again where there was no room for a node on the way to a home, if it is pinned there still."""
        pinned = self.by_node.get(node, {}).get(home)
        if pinned is not None and pinned.full != NOBODY:
            pinned.full = NOBODY
            self.stale[home] = None

    def tell_again(self, neighbour: Neighbour, table: RouteTable) -> None:
        """Has records told once more to a neighbour that asks for the whole table: it may have had no time to verify them."""
        for home, nodes in self.by_home.items():
            row = table.rows.get(home)
            if row is not None and row.selected == neighbour.slot:
                self.stale[home] = None
                for pinned in nodes.values():
                    pinned.told = None

    def forget_neighbour(self, neighbour: Neighbour) -> None:
        """Drops the pins of a neighbour that is down, and those that it was told."""
        for pinned in self._all():
            self.unpin(pinned.node, pinned.home, neighbour.bit)
            if neighbour.slot in (pinned.slot, pinned.full):
                pinned.slot = pinned.full = NOBODY
                self.stale[pinned.home] = None

    def told(self, node: bytes) -> int:
        """Returns the neighbours (bits) that a node is pinned at."""
        bits = 0
        for pinned in self.by_node.get(node, {}).values():
            if pinned.slot >= 0:
                bits |= 1 << pinned.slot
        return bits

    def follow(self, table: RouteTable) -> list[bytes]:
        """Pins at the next hops towards homes what is pinned here; returns the nodes of which others are told now."""
        moved: list[bytes] = []
        stale, self.stale = self.stale, {}
        for home in stale:
            row = table.rows.get(home)
            is_up = row is not None and row.selected >= 0 and table.up >> row.selected & 1
            slot = row.selected if row is not None and is_up else NOBODY
            for pinned in list(self.by_home.get(home, {}).values()):
                if self._move(pinned, slot if pinned.by else NOBODY, table):
                    moved.append(pinned.node)
                if not pinned.by:
                    self._drop(pinned)
        return moved

    def _move(self, pinned: Pinned, slot: int, table: RouteTable) -> bool:
        before, record = pinned.slot, self.records.get(pinned.node)
        if slot == pinned.full:
            slot = NOBODY
        if slot == before and (slot < 0 or record is pinned.told):
            return not pinned.by
        if before >= 0 and before != slot:
            table.neighbour_at(before).requests.append(Pin(pinned.node, pinned.home, False))
        if slot >= 0:
            table.neighbour_at(slot).requests.append(Pin(pinned.node, pinned.home, True, record))
        pinned.slot, pinned.told = slot, record
        return slot != before

    def _drop(self, pinned: Pinned) -> None:
        self.version += 1
        for index, outer, inner in (
            (self.by_node, pinned.node, pinned.home),
            (self.by_home, pinned.home, pinned.node),
        ):
            del index[outer][inner]
            if not index[outer]:
                del index[outer]
        if pinned.node not in self.by_node:
            self.records.pop(pinned.node, None)

    def _all(self) -> Iterator[Pinned]:
        return (pinned for homes in list(self.by_node.values()) for pinned in list(homes.values()))
