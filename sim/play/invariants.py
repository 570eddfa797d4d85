"""What must hold at every moment, whatever happens to the mesh; a breach ends the run."""

import itertools
from itertools import islice
from typing import Any, Final

from mycelium.identity import subnet_of
from mycelium.limits import DESTINATIONS, LINKS, PENDING_REQUESTS
from sim.net.mesh import Mesh

EVERY: Final = 1
OWNERS_CHECKED: Final = 50_000  # pairs of nodes, where there are more


class InvariantBroken(Exception):
    """Carries the record of what was broken."""

    def __init__(self, what: str, **details: Any) -> None:
        super().__init__(what)
        self.record: dict[str, Any] = {"type": "violation", "what": what, **details}


class LoopWatch:
    """Follows next hops from where one has changed: no packet may come to a node twice.

    A loop comes into being with a change at one of its nodes, so looking at every change misses none; `stride` n looks at
    every n-th. Loops live on until someone mends them, so a large n still finds the lasting ones.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._skipped = 0
        self.stride = EVERY
        self.checked = 0
        self.loops = 0

    def check(self, node: int) -> None:
        """Looks at the newest changes of a node; raises InvariantBroken."""
        engine = self._mesh.engine(node)
        assert engine is not None
        changes = engine.changes
        stride = self.stride
        if len(changes) == changes.maxlen and stride == EVERY:  # some may have been pushed out
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
        """Next hops lead around; it is a loop if packets really go that way and no liar sends them."""
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
    """Checks that no node holds more than its limits allow or than there is to know; raises InvariantBroken."""
    known = len(mesh.index_of)
    for node in mesh.running():
        engine = mesh.engine(node)
        assert engine is not None
        sizes = engine.sizes()
        limits = {
            "neighbours": LINKS,
            "destinations": min(DESTINATIONS, known),
            "selected_routes": min(DESTINATIONS, known) - 1,
            "pending_requests": PENDING_REQUESTS,
        }
        for name, limit in limits.items():
            if sizes[name] > limit:
                raise InvariantBroken("limit", t=mesh.now, node=node, table=name, size=sizes[name], limit=limit)


def check_owners(mesh: Mesh) -> None:
    """Checks that every prefix is with the node that its key belongs to, at every node; raises InvariantBroken.

    Among many nodes of which none lies it looks at some of each node's routes, others at each node.
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
