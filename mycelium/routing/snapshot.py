"""Frozen snapshots of routes, for people and tools."""

from collections.abc import Iterator

from msgspec import Struct

from mycelium.routing.neighbour import node_of
from mycelium.routing.table import RouteTable
from mycelium.wire.distance import INFINITY, RETRACTED, metric_of, sequence_of


class RouteSnapshot(Struct, frozen=True):
    """One neighbour's route to one node; metrics in units of 10 us."""

    node: bytes
    neighbour: bytes
    metric: int  # including the link; INFINITY while the neighbour is suspected
    advertised: int  # metric that the neighbour advertises
    sequence: int
    is_feasible: bool
    is_selected: bool


def snapshots(table: RouteTable) -> Iterator[RouteSnapshot]:
    """Yields every finite route to another node, in the order of nodes, then of slots."""
    for node in sorted(table.rows):
        row = table.rows[node]
        if row is table.own:
            continue
        for slot, route in enumerate(row.routes):
            if route < RETRACTED:
                yield RouteSnapshot(
                    node=node,
                    neighbour=node_of(table.addresses[slot]),
                    metric=min(metric_of(route) + table.cost_to(row, slot), INFINITY),
                    advertised=metric_of(route),
                    sequence=sequence_of(route),
                    is_feasible=route < row.feasibility_distance,
                    is_selected=slot == row.selected,
                )
