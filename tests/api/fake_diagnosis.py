"""A node's diagnosis that is made of literals."""

from collections.abc import AsyncGenerator

from msgspec.structs import replace

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import (
    CandidateInfo,
    ExplanationInfo,
    FeasibilityInfo,
    HopInfo,
    KnockInfo,
    LinkInfo,
    PathInfo,
    PingInfo,
    SessionInfo,
    TraceInfo,
)
from mycelium.admin.speed import DirectionInfo, SpeedInfo, SpeedPhase, SpeedWish
from mycelium.daemon.way_infos import fields_of
from mycelium.errors import ConfigError, LocalError

FAR, NEAR, OTHER = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113", "4fc:47a4::1", "400:1::9"
LOST = "400:1::5"
OUTSIDE, HOME = "400:1::7", "400:1::8"


class FakeDiagnosis:
    """A NodeDiagnosis of a node that knows FAR, LOST, to which it has no route, and OUTSIDE, which it reaches by its HOME."""

    async def explain(self, node: str) -> ExplanationInfo:
        return self.explained(node)

    def explained(self, node: str) -> ExplanationInfo:
        unheard_of = ExplanationInfo(
            node=node,
            next_hop=None,
            cost=None,
            chosen_s=None,
            feasibility=None,
            requesting=False,
            candidates=[],
            changes=[],
        )
        if node == LOST:
            return unheard_of
        if node == OUTSIDE:
            return replace(unheard_of, next_hop=NEAR, has_route=False, homes=[HOME], waypoint=HOME)
        if node != FAR:
            raise LocalError(f"{node!r} is no node that this one knows")
        chosen = CandidateInfo(
            next_hop=NEAR, verdict="chosen", link_cost=120, advertised=1_110, cost=1_230, sequence=5, feasible=True
        )
        longer = replace(chosen, next_hop=OTHER, verdict="longer", link_cost=200, advertised=1_200, cost=1_400)
        change = EventInfo(
            sequence=7, time=1_795_000_000.25, kind="route", node=FAR, before=OTHER, after=NEAR, cause="better"
        )
        return replace(
            unheard_of,
            next_hop=NEAR,
            cost=1_230,
            chosen_s=192.0,
            feasibility=FeasibilityInfo(5, 1_300),
            candidates=[chosen, longer],
            changes=[change],
        )

    def links(self) -> list[LinkInfo]:
        path = PathInfo(
            endpoint="udp://[2001:db8:1234:5678:9abc:def0:1234:5678]:9651",
            state="alive",
            rtt_ms=1.25,
            smoothed_rtt_ms=1.5,
            mtu=1_452,
            tx_bytes=1_500,
            rx_bytes=3_000_000,
        )
        return [
            LinkInfo(
                address=NEAR,
                public_key="ab" * 32,
                state="up",
                cost=120,
                loss=0.01,
                known_s=99.0,
                up_s=90.0,
                last_heard_s=0.5,
                tx_bytes=1_500,
                rx_bytes=3_000_000,
                routes=2,
                paths=[path],
            )
        ]

    def sessions(self) -> list[SessionInfo]:
        return [
            SessionInfo(
                node=FAR,
                state="open",
                next_hop=NEAR,
                direct=False,
                queued_packets=0,
                loss=0.0,
                idle_s=2.5,
                keys_s=63.0,
                sealed_bytes=4_096,
                opened_trains=7,
            )
        ]

    async def ping(self, node: str, *, wait_s: float) -> PingInfo:
        there = self.explained(node)
        if there.next_hop is None:
            return PingInfo(node=there.node, next_hop=None, direct=False, error="there is no route to it")
        found = PingInfo(**fields_of(there), rtt_ms=12.5, hops=2, direct=False)
        return found if wait_s >= 1 or node != OUTSIDE else replace(found, rtt_ms=None, hops=None, error="no answer")

    async def trace(self, node: str) -> TraceInfo:
        there = self.explained(node)
        hops = [
            HopInfo(hop=1, node=NEAR, answered=3, least_ms=1.25, median_ms=1.5),
            HopInfo(hop=2, answered=0),
            HopInfo(hop=3, node=FAR, answered=2, least_ms=12.5, median_ms=13.0),
        ]
        if there.next_hop is None:
            return TraceInfo(node=there.node, next_hop=None, reached=False, hops=[], error="there is no route to it")
        return TraceInfo(**fields_of(there), reached=True, hops=[*hops[:2], replace(hops[2], node=there.node)])

    async def knocks(self) -> list[KnockInfo]:
        return [KnockInfo(node=NEAR, ip_version=4, arrived=True), KnockInfo(node=OTHER, ip_version=4, arrived=False)]

    def speed_test(self, wish: SpeedWish) -> AsyncGenerator[SpeedInfo, None]:
        there = self.explained(wish.node)
        if not wish.is_valid():
            raise ConfigError("a speed test takes some seconds")
        return _speed_told(there, wish.seconds)


async def _speed_told(there: ExplanationInfo, seconds: float) -> AsyncGenerator[SpeedInfo, None]:
    if there.next_hop is None:
        error = "there is no route to it"
        yield SpeedInfo(
            phase=SpeedPhase.OVER, node=there.node, seconds=seconds, next_hop=None, direct=False, error=error
        )
        return
    hops = [
        HopInfo(hop=1, node=NEAR, name="hub", answered=3, least_ms=1.25, median_ms=1.5),
        HopInfo(hop=2, node=FAR, answered=3, least_ms=12.5, median_ms=13.0),
    ]
    info = SpeedInfo(node=FAR, seconds=seconds, next_hop=NEAR, direct=False, hops=hops, rtt_ms=12.5)
    sent = DirectionInfo(bits_per_s=94_300_000, bytes=58_900_000, seconds=5.0, loss=0.0, rtt_ms=14.1)
    received = DirectionInfo(bits_per_s=1_230_000_000, bytes=58_900_000, seconds=0.4, loss=0.012)
    yield info
    yield replace(info, phase=SpeedPhase.SENDING, sent=sent)
    yield replace(info, phase=SpeedPhase.OVER, sent=sent, received=received, ended_early=True)
