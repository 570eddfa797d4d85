"""What a link does to what is sent over it: delay, jitter, loss, reordering, duplication, bandwidth with a queue, MTU.

Each direction has its own model and its own dice. Datagrams may be lost; batches of control messages go through the reliable
channel of a link, so that what loss costs them is time.
"""

from random import Random
from typing import Final

from msgspec import Struct, structs

RESEND_FLOOR_S: Final = 0.020  # beyond 1.5 round trips: what a lost segment waits for its resend
RESENDS: Final = 32  # beyond them a real link would be dead
SEGMENT_BYTES: Final = 1_200


class LinkModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One direction of a link; shares are 0 to 1."""

    delay_s: float
    jitter_s: float = 0.0  # added to the delay, uniformly from 0; it reorders nothing
    loss: float = 0.0
    reorder: float = 0.0  # share of datagrams that are held back by `reorder_s`, so that later ones overtake them
    reorder_s: float = 0.010
    duplicate: float = 0.0
    bytes_per_s: float = 0.0  # 0: unlimited
    queue_bytes: int = 65_536  # waiting for the wire; what comes beyond it is dropped
    mtu: int = 1_500  # bytes of IP packet; longer datagrams vanish


class Wire:
    """One direction of a link at work."""

    __slots__ = ("_arrived_at", "_free_at", "_rng", "cost", "is_open", "model")

    def __init__(self, model: LinkModel, rng: Random, *, cost: int | None = None) -> None:
        self.model = model
        self.is_open = True
        self.cost = cost  # to routing at the sending end, units of 10 us; None: it follows the round trip and the loss
        self._rng = rng
        self._free_at = 0.0
        self._arrived_at = 0.0

    def reshape(self, **changes: float) -> None:
        """Replaces values of the model."""
        self.model = structs.replace(self.model, **changes)

    def arrivals(self, size: int, now: float) -> list[float]:
        """Returns when a datagram of `size` bytes, IP header included, arrives: not at all, once or twice."""
        model = self.model
        if not self.is_open or size > model.mtu or (model.loss and self._rng.random() < model.loss):
            return []
        sent_at = now
        if model.bytes_per_s:
            sent_at = max(now, self._free_at)
            if (sent_at - now) * model.bytes_per_s > model.queue_bytes:
                return []
            sent_at += size / model.bytes_per_s
            self._free_at = sent_at
        copies = 2 if model.duplicate and self._rng.random() < model.duplicate else 1
        return [self._arrival(sent_at) for _ in range(copies)]

    def _arrival(self, sent_at: float) -> float:
        model = self.model
        arrival = sent_at + model.delay_s
        if model.jitter_s:
            arrival += self._rng.random() * model.jitter_s
        if model.reorder and self._rng.random() < model.reorder:
            return arrival + model.reorder_s
        self._arrived_at = max(self._arrived_at, arrival)
        return self._arrived_at

    def batch_arrival(self, size: int, now: float, link: "SimLink") -> float:
        """Returns when a batch of control messages arrives over this direction of `link`, in order, resends included."""
        model = self.model
        arrival = now + model.delay_s
        if model.bytes_per_s:
            self._free_at = max(now, self._free_at) + size / model.bytes_per_s
            arrival = self._free_at + model.delay_s
        if model.jitter_s:
            arrival += self._rng.random() * model.jitter_s
        if model.loss:
            resends = self._resends(1 + size // SEGMENT_BYTES)
            arrival += resends * (1.5 * link.round_trip_s + RESEND_FLOOR_S)
        if arrival < self._arrived_at:
            return self._arrived_at
        self._arrived_at = arrival
        return arrival

    def _resends(self, segments: int) -> int:
        """Draws how often something must be sent again until all segments have arrived."""
        drawn, resends = self._rng.random(), 0
        while (1 - self.model.loss ** (resends + 1)) ** segments <= drawn and resends < RESENDS:
            resends += 1
        return resends


class SimLink:
    """The two wires between two nodes."""

    __slots__ = ("alternate", "broken_at", "directions", "high", "low")

    def __init__(self, low: int, high: int, model: LinkModel, rng: Random, cost: int | None = None) -> None:
        self.low = low
        self.high = high
        self.directions = {node: Wire(model, rng, cost=cost) for node in (low, high)}  # by sender
        self.alternate: SimLink | None = None  # another way between the same two, over their second uplinks
        self.broken_at = 0.0  # when it last failed to carry: mended then, or one of its ends restarted or moved

    @property
    def is_open(self) -> bool:
        """Tells whether both directions carry anything, in one way or another."""
        own = self.directions[self.low].is_open and self.directions[self.high].is_open
        return own or (self.alternate is not None and self.alternate.is_open)

    def lanes(self) -> "tuple[SimLink, ...]":
        """Returns the ways between the two, by uplink."""
        return (self,) if self.alternate is None else (self, self.alternate)

    def carries(self, sender: int) -> bool:
        """Tells whether what this end sends arrives, in one way or another."""
        return self.directions[sender].is_open or (self.alternate is not None and self.alternate.carries(sender))

    @property
    def round_trip_s(self) -> float:
        """The delay there and back."""
        return self.directions[self.low].model.delay_s + self.directions[self.high].model.delay_s

    @property
    def loss(self) -> float:
        """The share of round trips that something is lost of."""
        kept = 1.0
        for direction in self.directions.values():
            kept *= 1 - direction.model.loss
        return 1 - kept

    def close(self) -> None:
        """Stops carrying anything, both ways."""
        self._set(is_open=False)

    def open(self) -> None:
        """Carries both ways."""
        self._set(is_open=True)

    def _set(self, *, is_open: bool) -> None:
        for direction in self.directions.values():
            direction.is_open = is_open
        if self.alternate is not None:
            self.alternate._set(is_open=is_open)

    def other(self, node: int) -> int:
        """Returns the other end."""
        return self.low if node == self.high else self.high
