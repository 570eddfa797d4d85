"""When each neighbour whose link is down is dialled again, at its last address."""

from math import inf
from typing import Final

from mycelium.timing import Backoff

FIRST_WAIT_S: Final = 1.0
WAIT_FACTOR: Final = 1.5


class _Redial:
    __slots__ = ("_backoff", "due_at")

    def __init__(self, *, now: float) -> None:
        self._backoff = Backoff(FIRST_WAIT_S, factor=WAIT_FACTOR)
        self.due_at = now

    def wait(self, *, now: float) -> None:
        self.due_at = now + self._backoff.next()


class Redials:
    """Neighbours to be dialled again, by overlay address; the owner ends each one."""

    def __init__(self) -> None:
        self._redials: dict[bytes, _Redial] = {}
        # The earliest of all, which is asked for with each control frame; None while it is to be searched for.
        self._due_at: float | None = inf

    def __contains__(self, neighbour: bytes) -> bool:
        return neighbour in self._redials

    def start(self, neighbour: bytes, *, now: float) -> None:
        """Has a neighbour dialled at once and then with back-off."""
        self._redials[neighbour] = _Redial(now=now)
        self._due_at = None

    def stop(self, neighbour: bytes) -> None:
        """Leaves a neighbour alone, whether it was to be dialled or not."""
        if self._redials.pop(neighbour, None) is not None:
            self._due_at = None

    def retry_all(self, *, now: float) -> None:
        """The network has changed: every neighbour is dialled at once, and then with back-off anew."""
        for neighbour in self._redials:
            self.start(neighbour, now=now)

    def take_due(self, *, now: float) -> list[bytes]:
        """Returns the neighbours that are to be dialled now; the next wait of each begins."""
        if now < self.next_deadline():
            return []
        due = [neighbour for neighbour, redial in self._redials.items() if now >= redial.due_at]
        for neighbour in due:
            self._redials[neighbour].wait(now=now)
        self._due_at = None
        return due

    def next_deadline(self) -> float:
        """When `take_due` will have something; infinity for never."""
        if self._due_at is None:
            self._due_at = min((redial.due_at for redial in self._redials.values()), default=inf)
        return self._due_at
