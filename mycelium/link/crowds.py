"""Crowds that are stopped before they have links, by the widest network around where their handshakes come from.

Only handshakes that brought back a cookie prove where they come from. Of others, which are asked for one, anybody may have
forged the address, so it takes many more of them to be told of.
"""

from typing import Final, NamedTuple

from mycelium.limits import SUBNETS
from mycelium.subnets import network_text, subnets_of

CROWD_S: Final = 60.0  # for which handshakes are counted
PROVEN: Final = 100  # handshakes of one network in that time; an office that comes back at once needs fewer
UNPROVEN: Final = 300  # of a flood only so many are looked at; a node asks for a cookie beyond 50 a second alone


class Crowd(NamedTuple):
    """Some network, and how many of its handshakes were not answered; `is_proven` if they came from there for certain."""

    network: bytes
    handshakes: int
    is_proven: bool

    def __str__(self) -> str:
        origin = network_text(self.network)
        claimed = origin if self.is_proven else f"addresses, perhaps forged, in {origin}"
        return (
            f"{self.handshakes} handshakes and more from {claimed} are not answered; those of other networks come first"
        )


class Crowds:
    """Counts handshakes that were not answered, each network's apart; the network counted longest ago gives way."""

    __slots__ = ("_counts", "_since", "found")

    def __init__(self) -> None:
        self._counts: dict[tuple[bytes, bool], int] = {}
        self._since = 0.0
        self.found: list[Crowd] = []  # drained by the owner

    def note(self, host: str, *, is_proven: bool, now: float) -> None:
        """Counts a handshake from a host that was not answered."""
        around = subnets_of(host)
        if not around:
            return
        if now >= self._since + CROWD_S:
            self._counts.clear()
            self._since = now
        key = around[-1], is_proven
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if count == (PROVEN if is_proven else UNPROVEN):
            self.found.append(Crowd(around[-1], count, is_proven))
        if len(self._counts) > SUBNETS:
            del self._counts[next(iter(self._counts))]
