"""Which connections to the API are open: where there are too many, the one that has waited for its caller longest gives way."""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from mycelium.limits import API_CONNECTIONS


class Caller(Protocol):
    """A connection, as far as this module needs it."""

    is_answering: bool  # it has a whole request, whose answer is not written yet

    def abort(self) -> None:
        """Ends the connection at once."""


One = TypeVar("One", bound=Caller)


class Connections(Generic[One]):
    """The open connections, the one used longest ago first. Silent ones can't keep others out."""

    def __init__(self) -> None:
        self._open: dict[One, None] = {}

    def __iter__(self) -> Iterator[One]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: One) -> bool:
        """Adds a connection, perhaps in place of another; returns False if all of them are at work."""
        if len(self._open) >= API_CONNECTIONS:
            idle = next((one for one in self._open if not one.is_answering), None)
            if idle is None:
                return False
            self.remove(idle)
            idle.abort()
        self._open[connection] = None
        return True

    def used(self, connection: One) -> None:
        """Notes that a connection is answered."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def remove(self, connection: One) -> None:
        """Forgets a connection that is over; an unknown one is ignored."""
        self._open.pop(connection, None)
