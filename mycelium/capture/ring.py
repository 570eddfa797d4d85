"""What a capture keeps until its reader takes it: datagrams, copied as they were read or sent, within a bound."""

from collections import deque
from collections.abc import Iterator, Sequence

from mycelium.endpoint import Endpoint
from mycelium.limits import CAPTURE_BYTES
from mycelium.outbox import Transmit

Taken = tuple[float, bool, Endpoint, bytes]  # Unix seconds, whether it was sent, the other end, one datagram


class CaptureRing:
    """Bursts of datagrams of equal size. What comes while it is full is counted and not kept."""

    def __init__(self) -> None:
        self.dropped = 0  # datagrams
        self._bursts: deque[tuple[float, bool, Endpoint, bytes, int]] = deque()
        self._held_bytes = 0

    def received(self, endpoint: Endpoint, burst: memoryview, segment_size: int, *, at: float) -> None:
        """Keeps what was received, before anybody changes it."""
        self._keep(endpoint, (burst,), segment_size, is_sent=False, at=at)

    def sent(self, transmits: Sequence[Transmit], *, at: float) -> None:
        """Keeps what is handed to the transports."""
        for endpoint, buffers, size, _, _ in transmits:
            self._keep(endpoint, buffers, size, is_sent=True, at=at)

    def take(self) -> Iterator[Taken]:
        """Yields what was kept, one datagram after the other, which then are there no more."""
        while self._bursts:
            at, is_sent, endpoint, data, size = self._bursts.popleft()
            self._held_bytes -= len(data)
            for start in range(0, len(data), size):
                yield at, is_sent, endpoint, data[start : start + size]

    def _keep(
        self, endpoint: Endpoint, buffers: Sequence[bytes | memoryview], size: int, *, is_sent: bool, at: float
    ) -> None:
        length = sum(map(len, buffers))
        if not length:
            return
        if self._held_bytes + length > CAPTURE_BYTES:
            self.dropped += -(-length // size)
            return
        self._held_bytes += length
        self._bursts.append((at, is_sent, endpoint, b"".join(buffers), size))
