"""A node's diagnosis that is made of literals."""

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import CandidateInfo, ExplanationInfo, FeasibilityInfo
from mycelium.errors import LocalError

FAR, NEAR, OTHER = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113", "4fc:47a4::1", "400:1::9"
LOST = "400:1::5"


class FakeDiagnosis:
    """A NodeDiagnosis of a node that knows FAR, and LOST, to which it has no route."""

    def explain(self, node: str) -> ExplanationInfo:
        if node == LOST:
            return ExplanationInfo(
                node=LOST,
                next_hop=None,
                cost=None,
                chosen_s=None,
                feasibility=None,
                requesting=False,
                candidates=[],
                changes=[],
            )
        if node != FAR:
            raise LocalError(f"{node!r} is no node that this one knows")
        return ExplanationInfo(
            node=FAR,
            next_hop=NEAR,
            cost=1_230,
            chosen_s=192.0,
            feasibility=FeasibilityInfo(5, 1_300),
            requesting=False,
            candidates=[
                CandidateInfo(
                    next_hop=NEAR,
                    verdict="chosen",
                    link_cost=120,
                    advertised=1_110,
                    cost=1_230,
                    sequence=5,
                    feasible=True,
                ),
                CandidateInfo(
                    next_hop=OTHER,
                    verdict="longer",
                    link_cost=200,
                    advertised=1_200,
                    cost=1_400,
                    sequence=5,
                    feasible=True,
                ),
            ],
            changes=[
                EventInfo(
                    sequence=7, time=1_795_000_000.25, kind="route", node=FAR, before=OTHER, after=NEAR, cause="better"
                )
            ],
        )
