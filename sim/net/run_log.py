"""The events of a run: a hash over all of them, and the newest few hundred for people."""

import hashlib
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final

LAST_EVENTS: Final = 400
_FLUSH_BYTES: Final = 1 << 16
_ENTRY: Final = struct.Struct("!dBiiI")

RECEIVE: Final = 1
WAKE: Final = 2
UP: Final = 3
DOWN: Final = 4
CHANGE: Final = 5
_NAMES: Final = {RECEIVE: "receive", WAKE: "wake", UP: "up", DOWN: "down", CHANGE: "change"}


class RunLog:
    """The log of one run. Two runs are the same if their digests are equal."""

    __slots__ = ("_hash", "_last", "_pending")

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._pending = bytearray()
        self._last: deque[tuple[float, int, int, int, int]] = deque(maxlen=LAST_EVENTS)

    def note(self, kind: int, node: int, peer: int, detail: int, *, now: float) -> None:
        """Adds an event; `detail` distinguishes it from similar ones."""
        self._last.append((now, kind, node, peer, detail))
        pending = self._pending
        pending += _ENTRY.pack(now, kind, node, peer, detail & 0xFFFF_FFFF)
        if len(pending) > _FLUSH_BYTES:
            self._hash.update(pending)
            pending.clear()

    def add(self, data: bytes) -> None:
        """Adds a result of the run to the hash."""
        self._pending += data

    def digest(self) -> str:
        """Returns the hash of all that was added so far."""
        self._hash.update(self._pending)
        self._pending.clear()
        return self._hash.hexdigest()

    def last_events(self, is_wanted: Callable[[int, int], bool] = lambda node, peer: True) -> list[dict[str, Any]]:
        """Returns those of the newest events that `is_wanted` accepts by node and peer, oldest first."""
        return [
            {"t": t, "what": _NAMES[kind], "node": node, "peer": peer, "detail": detail}
            for t, kind, node, peer, detail in self._last
            if is_wanted(node, peer)
        ]
