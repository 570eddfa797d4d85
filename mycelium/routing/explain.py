"""Why a node is reached over one neighbour and not over the others: what route selection goes by, for people and tools."""

from enum import StrEnum

from msgspec import Struct

from mycelium.routing.destination import Destination
from mycelium.routing.neighbour import DAMPED_COST, node_of
from mycelium.routing.requests import Requests
from mycelium.routing.table import RouteTable
from mycelium.wire.distance import INFINITY, NO_SOURCE, RETRACTED, UNKNOWN, metric_of, sequence_of


class Verdict(StrEnum):
    """What decides about a candidate."""

    CHOSEN = "chosen"
    LONGER = "longer"  # than the chosen one, or as long
    AVOIDED = "avoided"  # it would be shorter, but what took it did not arrive
    DAMPED = "damped"  # it would be shorter, but its link has failed several times lately
    UNFEASIBLE = "unfeasible"  # it would be shorter, but might lead back here
    SUSPECTED = "suspected"  # the neighbour does not answer at present
    RETRACTED = "retracted"  # the neighbour has no route there any more


class RouteCandidate(Struct, frozen=True, kw_only=True):
    """One neighbour's route; costs in units of 10 us."""

    neighbour: bytes
    verdict: Verdict
    link_cost: int
    advertised: int  # metric that the neighbour advertises, or did before it retracted the route
    metric: int  # what selection compares; INFINITY for a route that can't be used
    sequence: int
    is_feasible: bool
    damped_s: float  # for how long its link still counts as DAMPED_COST longer


class Explanation(Struct, frozen=True, kw_only=True):
    """The choice among all routes to one node."""

    node: bytes
    next_hop: bytes | None
    metric: int  # INFINITY without a route
    chosen_at: float | None  # when the next hop was chosen
    feasibility: tuple[int, int] | None  # sequence and metric that a new choice must be better than; None: any will do
    is_requesting: bool  # a newer sequence was requested, under which unfeasible routes would be feasible
    candidates: tuple[RouteCandidate, ...]  # the chosen one first, then by their metrics


def explain(table: RouteTable, requests: Requests, node: bytes, *, now: float) -> Explanation | None:
    """Returns the choice for another node; None for an unknown one."""
    row = table.rows.get(node)
    if row is None or row is table.own:
        return None
    candidates = [_candidate(table, row, slot, now=now) for slot, route in enumerate(row.routes) if route < UNKNOWN]
    candidates.sort(key=lambda one: (one.verdict is not Verdict.CHOSEN, one.metric, one.advertised, one.neighbour))
    limit = row.feasibility_distance
    pending = requests.pending.get(node)
    return Explanation(
        node=node,
        next_hop=node_of(table.addresses[row.selected]) if row.selected >= 0 else None,
        metric=row.metric,
        chosen_at=row.chosen_at if row.selected >= 0 else None,
        feasibility=None if limit == NO_SOURCE else (sequence_of(limit), metric_of(limit)),
        is_requesting=pending is not None and pending.is_ours,
        candidates=tuple(candidates),
    )


def unheard_of(node: bytes) -> Explanation:
    """Returns that there is no choice, since no neighbour has told of a node."""
    return Explanation(
        node=node,
        next_hop=None,
        metric=INFINITY,
        chosen_at=None,
        feasibility=None,
        is_requesting=False,
        candidates=(),
    )


def _candidate(table: RouteTable, row: Destination, slot: int, *, now: float) -> RouteCandidate:
    route, neighbour = row.routes[slot], table.neighbour_at(slot)
    is_retracted = route >= RETRACTED
    return RouteCandidate(
        neighbour=neighbour.node,
        verdict=_verdict(table, row, slot),
        link_cost=neighbour.link_cost,
        advertised=metric_of(route),
        metric=INFINITY if is_retracted else min(metric_of(route) + table.cost_to(row, slot), INFINITY),
        sequence=sequence_of(route),
        is_feasible=route < row.feasibility_distance,
        damped_s=max(neighbour.damped_until - now, 0.0),
    )


def _verdict(table: RouteTable, row: Destination, slot: int) -> Verdict:
    """Returns the first thing that speaks against a route, the rest being equal."""
    route, neighbour = row.routes[slot], table.neighbour_at(slot)
    if slot == row.selected:
        return Verdict.CHOSEN
    if route >= RETRACTED:
        return Verdict.RETRACTED
    if neighbour.suspected:
        return Verdict.SUSPECTED
    is_avoided = neighbour.distrusted or row.avoided & neighbour.bit
    if is_avoided and metric_of(route) + neighbour.link_cost < row.metric:
        return Verdict.AVOIDED
    metric = metric_of(route) + table.costs[slot]
    if metric < row.metric:
        return Verdict.UNFEASIBLE
    is_damped = table.costs[slot] >= neighbour.link_cost + DAMPED_COST
    return Verdict.DAMPED if is_damped and metric - DAMPED_COST < row.metric else Verdict.LONGER
