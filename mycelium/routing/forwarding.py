"""The forwarding table: everything that the data path reads, as plain dicts.

Invariant: `next_hop` holds selected routes only, so it never leads to a neighbour that is lost or suspected, and following
it from node to node never comes to a node twice.
"""

import heapq
from collections.abc import Callable, Sequence

from mycelium.identity import SUBNET_BYTES, subnet_of
from mycelium.routing.counters import RoutingCounters
from mycelium.routing.prefixes import PrefixTable
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import Prefix
from mycelium.wire.distance import INFINITY, RETRACTED, metric_of


class ForwardingTable:
    """The next hop of each node, and the owner of each address.

    `allows_prefix` tells whether another node (first) may own a prefix (length and address) that it announces.
    """

    __slots__ = ("_allows_prefix", "_contenders", "_counters", "_prefixes", "_table", "next_hop", "owner")

    def __init__(
        self, table: RouteTable, counters: RoutingCounters, *, allows_prefix: Callable[[bytes, int, bytes], bool]
    ) -> None:
        self._table = table
        self._counters = counters
        self._allows_prefix = allows_prefix
        self._prefixes = PrefixTable()
        self._contenders: dict[bytes, list[bytes]] = {}  # nodes whose /64 another one had first
        self.next_hop: dict[bytes, bytes] = {}  # destination node -> neighbour
        self.owner: dict[bytes, bytes] = {}  # /64, 8 bytes -> node; the incumbent keeps it on a collision

    @property
    def version(self) -> int:
        """Grows with each change of a next hop."""
        return self._counters.route_changes

    def alternate(self, node: bytes, avoid: bytes = b"") -> bytes | None:
        """Returns the best neighbour other than the next hop for a deflected train, feasible ones first, or None.

        An unfeasible one may lead back here, so a train may be deflected only once. `avoid`, the neighbour that the train came
        from, comes after all others, and suspected neighbours after that.
        """
        row = self._table.rows.get(node)
        if row is None or row is self._table.own:
            return None
        avoided = self._table.by_address.get(avoid)
        best: tuple[bool, bool, bool, int, int] | None = None
        for slot, (route, cost) in enumerate(zip(row.routes, self._table.costs, strict=True)):
            if route >= RETRACTED or slot == row.selected:
                continue
            is_suspected = bool(self._table.suspected >> slot & 1)
            metric = metric_of(route) + (self._table.neighbour_at(slot).link_cost if is_suspected else cost)
            if metric >= INFINITY:
                continue
            is_avoided = avoided is not None and slot == avoided.slot
            candidate = (is_suspected, is_avoided, route >= row.feasibility_distance, metric, slot)
            if best is None or candidate < best:
                best = candidate
        return None if best is None else self._table.addresses[best[4]]

    def ways(self, node: bytes, most: int) -> list[bytes]:
        """Returns the next hop of a node and other neighbours with a route there, the shortest first, but no suspected ones."""
        row = self._table.rows.get(node)
        if row is None or row is self._table.own:
            return []
        metrics = (metric_of(route) + self._table.cost_to(row, slot) for slot, route in enumerate(row.routes))
        found = [
            (slot != row.selected, metric, slot)
            for slot, metric in enumerate(metrics)
            if row.routes[slot] < RETRACTED and metric < INFINITY
        ]
        return [self._table.addresses[slot] for _, _, slot in heapq.nsmallest(most, found)]

    def owner_of(self, address: bytes) -> bytes | None:
        """Returns the node that owns a 16-byte address: by its /64, else by the longest prefix; None for an unknown one."""
        return self.owner.get(subnet_of(address)) or self._prefixes.owner_of(address)

    def point(self, node: bytes, neighbour: bytes | None) -> None:
        """Sets the next hop of a node, or removes it (None)."""
        self._counters.route_changes += 1
        if neighbour is None:
            del self.next_hop[node]
        else:
            self.next_hop[node] = neighbour

    def claim(self, node: bytes) -> None:
        """Gives a node its /64 unless another has it."""
        subnet = node[:SUBNET_BYTES]  # `subnet_of` inlined: this runs for each node at a cold start
        if self.owner.setdefault(subnet, node) != node:
            self._contenders.setdefault(subnet, []).append(node)
            self._counters.prefix_collisions += 1

    def assign(self, node: bytes, prefixes: Sequence[Prefix]) -> None:
        """Gives a node the prefixes of its newest announcement, as far as it may own them, in place of those it had."""
        is_self = node == self._table.own.node
        allowed = [one for one in prefixes if is_self or self._allows_prefix(node, *one)]
        self._counters.prefixes_refused += len(prefixes) - len(allowed)
        self._prefixes.assign(node, allowed)

    def release(self, node: bytes) -> None:
        """Takes a forgotten node's prefixes and its /64, which goes to the next node that claimed it."""
        self._prefixes.assign(node, ())
        subnet = subnet_of(node)
        contenders = self._contenders.pop(subnet, [])
        if self.owner[subnet] == node:
            del self.owner[subnet]
        else:
            contenders.remove(node)
        if subnet not in self.owner and contenders:
            self.owner[subnet] = contenders.pop(0)
        if contenders:
            self._contenders[subnet] = contenders
