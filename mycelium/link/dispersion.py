"""How long the neighbour's frames occupy the path, measured by when their chunks arrive.

A frame's chunks are sent back to back, so they arrive at the rate of the slowest link on the path, however busy that is
(packet-train dispersion: Dovrolis et al., "Packet-Dispersion Techniques and a Capacity-Estimation Methodology", 2004). Where a
frame takes long, whatever else is sent waits for it; so the neighbour is told the rate and sends shorter ones.

Short frames say nothing, whichever way: on a slow path too a few datagrams pass at once where it has a token bucket, and are
joined by the kernel.
"""

from typing import Final

from mycelium.channel.frame_budget import FRAMES_IN_A_ROW, TOLERANCE, longest_frame

QUICK: Final = 20_000_000.0  # bytes a second from which on frames may be of any length: the longest take 3 ms


class Dispersion:
    """Judges the frames that arrive under one keypair. `slow_rate` is to be told, in bytes a second; 0 for nothing."""

    __slots__ = ("_quickest", "in_a_row", "slow_rate")

    def __init__(self) -> None:
        self.in_a_row = 0  # frames that took long, with none between them that took less and was as long
        self.slow_rate = 0.0
        self._quickest = 0.0  # rate of these frames

    def arrived(self, length: int, later_bytes: int, later_s: float) -> None:
        """Takes a frame of `length` bytes, of which `later_bytes` arrived within `later_s` seconds after the first ones."""
        if later_bytes >= QUICK * later_s or length <= TOLERANCE * longest_frame(rate := later_bytes / later_s):
            self.arrived_soon(length)
            return
        self._quickest = max(self._quickest, rate) if self.in_a_row else rate
        self.in_a_row += 1
        if self.in_a_row >= FRAMES_IN_A_ROW:
            self.slow_rate, self.in_a_row = self._quickest, 0

    def arrived_soon(self, length: int) -> None:
        """Takes a frame that was not too long: it clears the path if it would have been, were this as slow as it seemed."""
        if length > TOLERANCE * longest_frame(self._quickest):
            self.in_a_row = 0

    def take(self) -> float:
        """Returns the rate to be told, which is told once."""
        rate, self.slow_rate = self.slow_rate, 0.0
        return rate
