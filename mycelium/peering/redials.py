"""When each neighbour whose link is down is dialled again, at its last address."""

from typing import Final

from mycelium.timing import Backoff

FIRST_WAIT_S: Final = 1.0
WAIT_FACTOR: Final = 1.5


class _Redial:
    __slots__ = ("backoff", "due_at")

    def __init__(self, *, now: float) -> None:
        self.backoff = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR)
        self.due_at = now


class Redials:
    """Neighbours to be dialled again, by overlay address; the owner looks at them each second and ends each one."""

    def __init__(self) -> None:
        self._redials: dict[bytes, _Redial] = {}

    def __contains__(self, neighbour: bytes) -> bool:
        return neighbour in self._redials

    def start(self, neighbour: bytes, *, now: float) -> None:
        """Has a neighbour dialled at once and then with back-off."""
        self._redials[neighbour] = _Redial(now=now)

    def stop(self, neighbour: bytes) -> None:
        """Leaves a neighbour alone, whether it was to be dialled or not."""
        self._redials.pop(neighbour, None)

    def take_due(self, neighbour: bytes, *, now: float) -> bool:
        """Tells whether a neighbour is to be dialled now; if so, the next wait begins."""
        redial = self._redials.get(neighbour)
        if redial is None or now < redial.due_at:
            return False
        redial.due_at = now + redial.backoff.next()
        return True
