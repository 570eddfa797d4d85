"""The round-trip time of a path: smoothed for timeouts (RFC 6298), its windowed minimum for the metric (RFC 9616).

The minimum over a short window is close to the propagation delay. It leaves out queues on this host, which would otherwise move
routes, and with the routes the queues. For the same reason the metric leaves out the time that a probe and its reply waited for
busy processes at both ends; timeouts have to allow for it.
"""

import math
from collections import deque
from typing import Final

WINDOW_S: Final = 2.0
LOADED_WINDOW_S: Final = 60.0  # for a path we may saturate: RTT above its minimum is our own queue
LEAST_BUCKETS: Final = 2  # buckets that are never dropped: samples of an idle path may be further apart than the window
BUCKET_S: Final = 0.25  # resolution of the window: bounds its memory for any number of samples
GRANULARITY_S: Final = 0.025  # the peer may acknowledge after 20 ms, and timers are late
INITIAL_RTO_S: Final = 0.5
RTO_FLOOR_S: Final = 0.030
RTO_CEILING_S: Final = 10.0
SAMPLE_CEILING_S: Final = 60.0
# time constant for samples that are far apart: an idle path must not remember a load for minutes
SMOOTHING_S: Final = 3.0
# Timeouts allow for the longest round trip of this time, or of the last few, and for no more: while hosts start, round trips of
# half a second are common, and what they leave in the averages would keep a cut unseen for seconds.
SLOW_WITHIN_S: Final = 3.0
SLOW_AMONG_LAST: Final = 3
SLOW_SAMPLES: Final = 32  # bounds the memory for them
JITTER_SAMPLES: Final = 16  # sample size of the jitter estimate
STEADY_SAMPLES: Final = 5
RECENT_S: Final = 12.0  # five probes of an idle path; what was measured before an outage is no longer recent
STEADY_RATIO: Final = 0.25
STEADY_FLOOR_S: Final = 0.5e-3


class RttEstimator:
    """Digests the round-trip times of one path."""

    __slots__ = (
        "_differences",
        "_last",
        "_minima",
        "_round_trips",
        "_sampled_at",
        "jitter",
        "pto",
        "rttvar",
        "srtt",
        "window_s",
    )

    def __init__(self) -> None:
        self.srtt: float | None = None  # seconds; None before the first sample
        self.rttvar = 0.0
        # probe timeout: seconds of silence before a probe; longer than `rto`, since the acknowledgement may be delayed
        self.pto = INITIAL_RTO_S
        self.jitter = 0.0  # mean difference of successive samples, seconds, on the wire alone
        self.window_s = WINDOW_S
        self._differences = 0
        self._minima: deque[tuple[float, float]] = deque()  # start of a bucket, its minimum
        self._last: deque[tuple[float, float]] = deque(maxlen=STEADY_SAMPLES)  # when it was taken, on the wire alone
        self._round_trips: deque[tuple[float, float]] = deque(maxlen=SLOW_SAMPLES)  # when taken, with all waits
        self._sampled_at = 0.0

    def sample(self, rtt_s: float, *, now: float, waited_s: float = 0.0) -> None:
        """Takes one measured round trip, `waited_s` of which passed at its ends; a wait longer than the round trip is ignored.

        A value that cannot be a round trip (negative, infinite, not a number) is ignored.
        """
        if not 0.0 <= rtt_s <= SAMPLE_CEILING_S:
            return
        weight = -math.expm1((self._sampled_at - now) / SMOOTHING_S)
        if self.srtt is None:
            self.srtt, self.rttvar = rtt_s, rtt_s / 2
        else:
            self.rttvar += (abs(self.srtt - rtt_s) - self.rttvar) * max(weight, 1 / 4)
            self.srtt += (rtt_s - self.srtt) * max(weight, 1 / 8)
        self._round_trips.append((now, rtt_s))
        if len(self._round_trips) >= SLOW_AMONG_LAST:
            slowest_s = self._slowest_s(now=now)
            self.srtt, self.rttvar = min(self.srtt, slowest_s), min(self.rttvar, slowest_s)
        self.pto = min(self.srtt + 4 * self.rttvar + GRANULARITY_S, RTO_CEILING_S)
        self._sampled_at = now
        wire_s = rtt_s - waited_s if 0.0 <= waited_s <= rtt_s else rtt_s
        if self._last:
            self._differences = min(self._differences + 1, JITTER_SAMPLES)
            difference_s = abs(self._last[-1][1] - wire_s)
            self.jitter += (difference_s - self.jitter) * max(weight, 1 / self._differences)
        self._last.append((now, wire_s))
        self._put(wire_s, now=now)

    @property
    def newest_on_wire(self) -> float | None:
        """The last round trip without the waits at its ends; None before the first."""
        return self._last[-1][1] if self._last else None

    @property
    def measured_at(self) -> float | None:
        """When the last round trip was measured; None before the first."""
        return self._last[-1][0] if self._last else None

    @property
    def recent_on_wire(self) -> float | None:
        """What `ping` beside it shows: the least of the last round trips within RECENT_S, without waits at the ends."""
        if not self._last:
            return None
        since = self._last[-1][0] - RECENT_S
        return min(wire_s for at, wire_s in self._last if at >= since)

    @property
    def rto(self) -> float:
        """Retransmission timeout: seconds after which what is not acknowledged counts as lost."""
        if self.srtt is None:
            return INITIAL_RTO_S
        return min(max(self.srtt + max(GRANULARITY_S, 4 * self.rttvar), RTO_FLOOR_S), RTO_CEILING_S)

    @property
    def is_steady(self) -> bool:
        """Tells whether the last samples agree. Queues and busy processors make them differ."""
        if len(self._last) < STEADY_SAMPLES:
            return False
        samples = [wire_s for _, wire_s in self._last]
        least = min(samples)
        return max(samples) - least <= max(least * STEADY_RATIO, STEADY_FLOOR_S)

    def minimum(self, *, now: float) -> float:
        """Returns the least round trip of the last `window_s` seconds or LEAST_BUCKETS, in seconds; infinity for none."""
        self._forget(now=now)
        return min((least for _, least in self._minima), default=math.inf)

    def _slowest_s(self, *, now: float) -> float:
        """Returns the longest round trip of the last SLOW_WITHIN_S seconds, and of the last SLOW_AMONG_LAST in any case."""
        newest_first = enumerate(reversed(self._round_trips))
        return max(rtt_s for age, (at, rtt_s) in newest_first if age < SLOW_AMONG_LAST or at >= now - SLOW_WITHIN_S)

    def _put(self, rtt_s: float, *, now: float) -> None:
        if self._minima and now - self._minima[-1][0] < BUCKET_S:
            began, least = self._minima[-1]
            self._minima[-1] = (began, min(least, rtt_s))
            return
        self._minima.append((now, rtt_s))
        self._forget(now=now)

    def _forget(self, *, now: float) -> None:
        while len(self._minima) > LEAST_BUCKETS and self._minima[0][0] < now - self.window_s:
            self._minima.popleft()
