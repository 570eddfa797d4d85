"""One attempt at a shortcut: when its caller calls, calls again, starts and gives up, and what the other end does meanwhile.

    caller     CALLING ----------> STARTING ----------> DIALLING -> CALLING for the next round, or over
                  | call   answer ^     | start, then half a round trip
                  v               |     v
    other end  WAITING            |  DIALLING -> WAITING for the next call, or over

The start arrives after half a round trip, so both ends dial at the same time: the first datagram of each opens its NAT before
that of the other one arrives (libp2p's DCUtR). A round may fail because a signal was late, so there are some.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.peering.dialler import SHORTCUT_PACE
from mycelium.peering.outside import Mapping

CALL_AGAIN_S: Final = 0.4  # wait for the first answer; doubles with each call
CALLS: Final = 4  # without an answer
ROUNDS: Final = 3  # rounds of dialling where both NATs let it succeed; a single one where there may be no direct way
DIAL_S: Final = SHORTCUT_PACE.patience_s
HARD_DIAL_S: Final = 0.6  # where a NAT maps each destination to another port: what helps then, helps at once
LINK_LOOK_S: Final = 0.05  # between looks for the link that comes of dialling
NEXT_CALL_S: Final = 8.0  # the other end's patience with the caller: all of its calls
ROUNDS_COUNTED: Final = 256  # one byte of a signal


class Phase(Enum):
    """What an attempt waits for."""

    CALLING = "an answer"
    STARTING = "the moment to dial"
    WAITING = "the caller"
    DIALLING = "a link"


class Attempt:
    """The state of one end. `due_at` is when it wants a look."""

    __slots__ = (
        "_called_at",
        "_rounds",
        "_unanswered",
        "candidates",
        "dialled_until",
        "due_at",
        "is_caller",
        "mapping",
        "neighbours",
        "peer",
        "phase",
        "relayed_s",
        "round",
        "rounds_dialled",
        "token",
    )

    def __init__(self, peer: bytes, token: bytes, *, is_caller: bool, now: float) -> None:
        self.peer = peer
        self.token = token
        self.is_caller = is_caller
        self.phase = Phase.CALLING if is_caller else Phase.WAITING
        self.round = 0  # number of the newest call
        self.rounds_dialled = 0
        self.candidates: Sequence[Endpoint] = ()  # endpoints of the far end, as it said last
        self.mapping = Mapping.UNKNOWN  # how the far end's NAT maps ports
        self.neighbours: Sequence[bytes] = ()  # neighbours of the far end
        self.due_at = now if is_caller else now + NEXT_CALL_S
        self.dialled_until = now
        self.relayed_s = 0.0  # round trip through the mesh
        self._called_at: dict[int, float] = {}  # by round, of those unanswered; at the other end of the newest
        self._unanswered = 0
        self._rounds = ROUNDS

    def heard(self, candidates: Sequence[Endpoint], mapping: Mapping, neighbours: Sequence[bytes]) -> None:
        """Takes what the far end says of itself."""
        self.candidates, self.mapping, self.neighbours = candidates, mapping, neighbours

    # -- the caller ----------------------------------------------------------------------------------------------------

    def may_call(self) -> bool:
        """Tells whether another call makes sense."""
        return self._unanswered < CALLS and self.rounds_dialled < self._rounds

    def called(self, *, now: float) -> int:
        """Notes that a call is sent; returns its round."""
        self.phase = Phase.CALLING
        self.round = (self.round + 1) % ROUNDS_COUNTED
        self._called_at[self.round] = now
        self.due_at = now + CALL_AGAIN_S * 2**self._unanswered
        self._unanswered += 1
        return self.round

    def answered(self, round_: int, *, now: float) -> bool:
        """Takes an answer; returns whether to send a start, after which the caller dials in half a round trip."""
        if self.phase is not Phase.CALLING or round_ not in self._called_at:
            return False
        self.round = round_
        self.phase = Phase.STARTING
        self.relayed_s = now - self._called_at[round_]
        self.due_at = now + self.relayed_s / 2
        self._called_at.clear()
        self._unanswered = 0
        return True

    # -- the other end -------------------------------------------------------------------------------------------------

    def was_called(self, round_: int, *, now: float) -> None:
        """Takes a call, which is answered."""
        self.phase = Phase.WAITING
        self.round = round_
        self._called_at = {round_: now}
        self.due_at = now + NEXT_CALL_S

    def started(self, round_: int, *, now: float) -> bool:
        """Takes a start; returns whether it is the one that this end waits for."""
        if self.phase is not Phase.WAITING or round_ != self.round:
            return False
        self.relayed_s = now - self._called_at[round_]
        return True

    # -- both ----------------------------------------------------------------------------------------------------------

    def dialled(self, own: Mapping, *, now: float) -> None:
        """Notes that the far end is dialled; `own` is how this end's NAT maps ports."""
        mappings = {own, self.mapping}
        self._rounds = ROUNDS if mappings == {Mapping.ENDPOINT_INDEPENDENT} else 1
        self.phase = Phase.DIALLING
        self.rounds_dialled += 1
        self.dialled_until = now + (HARD_DIAL_S if Mapping.ENDPOINT_DEPENDENT in mappings else DIAL_S)
        self.look_for_link(now=now)

    def look_for_link(self, *, now: float) -> None:
        """Sets the next look for the link."""
        self.due_at = min(now + LINK_LOOK_S, self.dialled_until)

    def waits(self, *, now: float) -> bool:
        """Called when this end has dialled in vain and is not the caller: returns whether it waits for another call."""
        self.phase = Phase.WAITING
        self.due_at = now + NEXT_CALL_S
        return self.rounds_dialled < self._rounds
