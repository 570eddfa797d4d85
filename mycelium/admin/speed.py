"""What an operator is told of a speed test."""

from enum import Enum

from msgspec import Struct

from mycelium.admin.diagnosis import HopInfo
from mycelium.limits import SPEED_TEST_LEAST_S, SPEED_TEST_S


class SpeedWish(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /api/v1/admin/speedtest."""

    node: str
    seconds: float = 5.0  # of each direction

    def is_valid(self) -> bool:
        """Tells whether its time is within the bounds."""
        return SPEED_TEST_LEAST_S <= self.seconds <= SPEED_TEST_S


class SpeedPhase(Enum):
    """What a speed test does."""

    ASKING = "asking"
    SENDING = "sending"
    RECEIVING = "receiving"
    OVER = "over"


class DirectionInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One direction of a speed test, so far."""

    bits_per_s: int | None  # that have arrived, without the first fifth of the time; None while that can't be told
    bytes: int  # that have arrived
    seconds: float  # from the first arrival to the last
    loss: float  # share of the trains that were sent
    rtt_ms: float | None = None  # of pings beside the load, their median


class SpeedInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One line of the answer to POST /api/v1/admin/speedtest; the last one has the phase "over"."""

    phase: SpeedPhase = SpeedPhase.ASKING
    node: str
    name: str | None = None  # of the node, in a private network
    seconds: float  # wished for each direction
    next_hop: str | None
    direct: bool  # whether the next hop is the node itself
    hops: list[HopInfo] = []  # the way at the beginning, with the node itself
    rtt_ms: float | None = None  # the least before the load
    sent: DirectionInfo | None = None
    received: DirectionInfo | None = None
    way_changed: bool = False  # the next hop at the end is another than at the beginning
    ended_early: bool = False  # the node has sent back as much as it was sent, which is all that it may
    refused: bool = False  # the node was reached, and `error` says what kept it from a test
    error: str | None = None  # why nothing, or only one direction, was measured; for people
