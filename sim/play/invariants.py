"""The invariants of a mesh. A violation ends the run."""

import itertools
from itertools import islice
from typing import Any, Final

from mycelium.identity import subnet_of
from mycelium.limits import DESTINATIONS, NEIGHBOURS, PENDING_REQUESTS
from mycelium.routing.scope import uncut_places

from ..net.mesh import Mesh

EVERY: Final = 1
OWNERS_CHECKED: Final = 50_000  # pairs of nodes that are checked at most


class InvariantBroken(Exception):
    """A violated invariant; `record` describes it."""

    def __init__(self, what: str, **details: Any) -> None:
        super().__init__(what)
        self.record: dict[str, Any] = {"type": "violation", "what": what, **details}


class LoopWatch:
    """Checks that following next hops from a node whose next hop has changed never leads to a node twice.

    A loop arises by a change at one of its nodes, so checking every change misses none. With a `stride` of n only every n-th
    change is checked, which still finds loops that last.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._skipped = 0
        self.stride = EVERY
        self.checked = 0
        self.loops = 0

    def check(self, node: int) -> None:
        """Checks the newest changes of a node; raises InvariantBroken."""
        engine = self._mesh.engine(node)
        assert engine is not None
        changes = engine.changes
        stride = self.stride
        if len(changes) == changes.maxlen and stride == EVERY:  # older ones may have been pushed out
            destinations = list(engine.forwarding.next_hop)
        else:
            first = -self._skipped % stride
            self._skipped = (self._skipped + len(changes)) % stride
            destinations = [change[1] for change in islice(changes, first, None, stride) if change[3] is not None]
        self.checked += len(destinations)
        tables = self._mesh.tables
        start = self._mesh.address(node)
        first_hops = tables[start]
        for destination in destinations:
            hop = first_hops.get(destination)
            steps = len(tables)
            while hop is not None and hop != destination:
                steps -= 1
                if hop == start or not steps:
                    self._judge(start, destination)
                    break
                table = tables.get(hop)
                hop = None if table is None else table.get(destination)

    def _judge(self, start: bytes, destination: bytes) -> None:
        """Raises InvariantBroken if the next hops form a loop whose links are all alive and none of whose nodes lies."""
        mesh = self._mesh
        path, hop = [start], mesh.tables[start][destination]
        while hop not in path:
            path.append(hop)
            hop = mesh.tables[hop][destination]
        nodes = [mesh.index_of[address] for address in [*path[path.index(hop) :], hop]]
        is_walked = all(mesh.carries(a, b) for a, b in itertools.pairwise(nodes))
        if not is_walked or any(node in mesh.liars for node in nodes):
            return
        self.loops += 1
        raise InvariantBroken("loop", t=mesh.now, destination=mesh.index_of[destination], nodes=nodes)


def check_tables(mesh: Mesh) -> None:
    """Checks that no table of a node exceeds its limit or the number of known nodes; raises InvariantBroken."""
    known = len(mesh.index_of)
    for node in mesh.running():
        engine = mesh.engine(node)
        assert engine is not None
        sizes = engine.sizes()
        limits = {
            "neighbours": NEIGHBOURS,
            "destinations": min(DESTINATIONS, known),
            "selected_routes": min(DESTINATIONS, known, _most_in_use(mesh, sizes)) - 1,
            "pending_requests": PENDING_REQUESTS,
        }
        for name, limit in limits.items():
            if sizes[name] > limit:
                raise InvariantBroken("limit", t=mesh.now, node=node, table=name, size=sizes[name], limit=limit)


def _most_in_use(mesh: Mesh, sizes: dict[str, int]) -> int:
    """Returns how many routes a node may use: those that have places, to landmarks, neighbours, and what is pinned at it."""
    return uncut_places(mesh.scope) + sizes["neighbours"] + sizes["landmarks"] + sizes["pins"]


def check_owners(mesh: Mesh) -> None:
    """Checks that all nodes map each prefix to the node whose key it belongs to; raises InvariantBroken.

    In a large mesh without liars it checks a different part of the routes at each node.
    """
    stride = 1 if mesh.liars else max(1, len(mesh.tables) ** 2 // OWNERS_CHECKED)
    for node in mesh.running():
        engine = mesh.engine(node)
        assert engine is not None
        for address in islice(engine.nodes(), node % stride, None, stride):
            announcement = engine.resolve(address)
            is_known = address in mesh.index_of
            if not is_known or announcement is None or not mesh.is_signed(address, announcement):
                raise InvariantBroken("forged announcement", t=mesh.now, node=node, destination=address.hex())
            if engine.forwarding.owner.get(subnet_of(address)) != address:
                raise InvariantBroken("prefix taken", t=mesh.now, node=node, destination=mesh.index_of[address])
