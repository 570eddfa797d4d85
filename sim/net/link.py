"""Links between simulated nodes: delay, jitter, loss, reordering, duplication, bandwidth with a queue, MTU.

Each direction has a model of its own. Datagrams can be lost. Batches of control messages take the reliable control channel of
a link, so loss only delays them.
"""

from random import Random
from typing import Final

from msgspec import Struct, structs

RESEND_FLOOR_S: Final = 0.020  # added to 1.5 round trips: how long a lost segment waits for its retransmission
RESENDS: Final = 32  # retransmissions; a real link is dead before that many
SEGMENT_BYTES: Final = 1_200


class LinkModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The properties of one direction of a link. Shares are between 0 and 1."""

    delay_s: float
    jitter_s: float = 0.0  # uniformly distributed from 0 to this, added to the delay without reordering
    loss: float = 0.0
    reorder: float = 0.0  # share of datagrams delayed by another `reorder_s`, so that later ones overtake them
    reorder_s: float = 0.010
    duplicate: float = 0.0
    bytes_per_s: float = 0.0  # 0: unlimited
    queue_bytes: int = 65_536  # room for what waits to be sent; the rest is dropped
    mtu: int = 1_500  # bytes of an IP packet; longer ones are dropped silently


class Wire:
    """One direction of a link."""

    __slots__ = ("_arrived_at", "_free_at", "_rng", "cost", "is_open", "model")

    def __init__(self, model: LinkModel, rng: Random, *, cost: int | None = None) -> None:
        self.model = model
        self.is_open = True
        self.cost = cost  # to routing at the sending end, units of 10 us; None: it follows the round trip and the loss
        self._rng = rng
        self._free_at = 0.0
        self._arrived_at = 0.0

    def reshape(self, **changes: float) -> None:
        """Replaces some values of the model."""
        self.model = structs.replace(self.model, **changes)

    def arrivals(self, size: int, *, now: float) -> list[float]:
        """Returns the arrival times, none to two, of a datagram of `size` bytes with its IP header."""
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

    def batch_arrival(self, size: int, link: "SimLink", *, now: float) -> float:
        """Returns when a batch of control messages arrives: in order, and after the retransmissions that loss causes."""
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
        """Draws how many retransmissions it takes until all segments have arrived."""
        drawn, resends = self._rng.random(), 0
        while (1 - self.model.loss ** (resends + 1)) ** segments <= drawn and resends < RESENDS:
            resends += 1
        return resends


class SimLink:
    """A pair of wires between two nodes, with a second pair where hosts have two uplinks."""

    __slots__ = ("alternate", "broken_at", "directions", "high", "low")

    def __init__(self, low: int, high: int, model: LinkModel, rng: Random, cost: int | None = None) -> None:
        self.low = low
        self.high = high
        self.directions = {node: Wire(model, rng, cost=cost) for node in (low, high)}  # by sender
        self.alternate: SimLink | None = None  # between their second uplinks
        self.broken_at = 0.0  # when it last failed: it was mended then, or one of its ends restarted or moved

    @property
    def is_open(self) -> bool:
        """Tells whether both directions of some lane are open."""
        own = self.directions[self.low].is_open and self.directions[self.high].is_open
        return own or (self.alternate is not None and self.alternate.is_open)

    def lanes(self) -> "tuple[SimLink, ...]":
        """Returns the lanes between the two nodes, by uplink."""
        return (self,) if self.alternate is None else (self, self.alternate)

    def carries(self, sender: int) -> bool:
        """Tells whether some lane is open for what this end sends."""
        return self.directions[sender].is_open or (self.alternate is not None and self.alternate.carries(sender))

    @property
    def round_trip_s(self) -> float:
        """The delay there and back, without jitter, in seconds."""
        return self.directions[self.low].model.delay_s + self.directions[self.high].model.delay_s

    @property
    def loss(self) -> float:
        """The share of round trips in which either datagram is lost."""
        kept = 1.0
        for direction in self.directions.values():
            kept *= 1 - direction.model.loss
        return 1 - kept

    def close(self) -> None:
        """Closes both directions of all lanes."""
        self._set(is_open=False)

    def open(self) -> None:
        """Opens both directions of all lanes."""
        self._set(is_open=True)

    def _set(self, *, is_open: bool) -> None:
        for direction in self.directions.values():
            direction.is_open = is_open
        if self.alternate is not None:
            self.alternate._set(is_open=is_open)

    def other(self, node: int) -> int:
        """Returns the node at the other end."""
        return self.low if node == self.high else self.high
