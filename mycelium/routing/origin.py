"""The origin of our own route: its sequence, and when that is increased (RFC 8966 sections 3.2.1 and 3.8.1.2).

A sequence is epoch << 16 | counter and only grows; the counter overflows into the epoch.
"""

from collections.abc import Callable
from math import inf
from random import Random

from mycelium.routing.counters import RoutingCounters
from mycelium.routing.duplicate import Claim, DuplicateDetection, jump_past
from mycelium.routing.parameters import RoutingParameters, Standing
from mycelium.wire.announcement import KEY_SHARED, LANDMARK, SEQUENCE_LIMIT, Announcement


class Origin:
    """Our own sequence and announcement."""

    __slots__ = (
        "_announce",
        "_bumped_at",
        "_counters",
        "_hourly_at",
        "_jump_past",
        "_jumped_at",
        "_parameters",
        "_rng",
        "_wanted_at",
        "announcement",
        "deadline",
        "duplicates",
        "flags",
        "sequence",
    )

    def __init__(
        self,
        announce: Callable[[int, int], Announcement],
        sequence: int,
        parameters: RoutingParameters,
        rng: Random,
        counters: RoutingCounters,
        *,
        now: float,
    ) -> None:
        self._announce = announce
        self._parameters = parameters
        self._rng = rng
        self._counters = counters
        self.sequence = sequence
        # of the next announcement, beside KEY_SHARED
        self.flags = LANDMARK if parameters.standing is Standing.YES else 0
        self.announcement = announce(sequence, self.flags)
        self.duplicates = DuplicateDetection()
        self.duplicates.issued(sequence)
        self._bumped_at = -inf
        self._wanted_at = inf
        self._jumped_at = -inf
        self._jump_past = 0
        self._hourly_at = self._next_hourly(now=now)
        self.deadline = self._hourly_at  # when the sequence is to be increased

    def want_newer(self, *, now: float) -> None:
        """Schedules an increase by one, at a bounded rate, however new the requested sequence is."""
        if self._wanted_at == inf:
            self._wanted_at = max(now, self._bumped_at + self._parameters.bump_spacing_s)
            self._arm()

    def want_past(self, sequence: int, *, now: float) -> None:
        """Schedules a jump past a newer sequence that others know of us: our past, or that of another host with our key."""
        self.duplicates.heard(sequence, now=now)
        if self.duplicates.claim is not Claim.YIELDS:
            self._jump_past = max(self._jump_past, sequence)
            self._arm()

    def advance(self, *, now: float) -> None:
        """Increases the sequence, which is due."""
        jumps = now >= self._jump_at()
        sequence = jump_past(self._jump_past) if jumps else self.sequence + 1
        if jumps:
            self._jumped_at = now
            self._counters.sequence_jumps += 1
        self._bumped_at = now
        self._wanted_at = inf
        self._hourly_at = self._next_hourly(now=now)
        if sequence < SEQUENCE_LIMIT:
            self.sequence = sequence
            is_shared = self.duplicates.claim is Claim.KEEPS
            self.announcement = self._announce(sequence, self.flags | KEY_SHARED if is_shared else self.flags)
            self._counters.sequence_bumps += 1
            self.duplicates.issued(sequence)
        self._arm()

    def _arm(self) -> None:
        self.deadline = min(self._hourly_at, self._wanted_at, self._jump_at())

    def _jump_at(self) -> float:
        if self._jump_past <= self.sequence or jump_past(self._jump_past) >= SEQUENCE_LIMIT:
            return inf
        return self._jumped_at + self._parameters.jump_spacing_s

    def _next_hourly(self, *, now: float) -> float:
        return now + self._parameters.bump_s * self._rng.uniform(0.9, 1.1)
