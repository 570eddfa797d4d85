"""What an operator may ask of a running node to find out why something is as it is. Costs are in units of 10 us."""

from typing import Protocol

from msgspec import Struct

from mycelium.admin.control import EventInfo


class CandidateInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One neighbour's route to a node."""

    next_hop: str
    verdict: str  # chosen | longer | damped | unfeasible | suspected | retracted
    link_cost: int
    advertised: int  # cost that the neighbour advertises, or did before it retracted the route
    cost: int | None  # of both together; None for a route that can't be used
    sequence: int
    feasible: bool
    damped_s: float = 0.0  # for how long its link still counts as 10 s longer
    pending_link_cost: int | None = None  # what the link is measured at, where that is not yet what it counts as
    pending_s: float | None = None  # for how much longer it must be measured at that


class FeasibilityInfo(Struct, frozen=True, rename="camel"):
    """What can't lead back here advertises a newer sequence, or this one and less cost (RFC 8966 section 3.5.1)."""

    sequence: int
    cost: int


class ExplanationInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/routes/explain/NODE"""

    node: str
    next_hop: str | None
    cost: int | None
    chosen_s: float | None  # seconds since the next hop was chosen
    feasibility: FeasibilityInfo | None  # None: any route will do
    requesting: bool  # whether a newer sequence was requested
    candidates: list[CandidateInfo]  # the chosen one first, then by cost
    changes: list[EventInfo]  # the newest of this route, oldest first


class NodeDiagnosis(Protocol):
    """Answers about a node named by its address, subnet, key or the beginning of its address; raises LocalError for none."""

    def explain(self, node: str) -> ExplanationInfo: ...
