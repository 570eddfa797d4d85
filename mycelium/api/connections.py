"""Which connections to the API are open: where there are too many, one that waits for its caller gives way, else the oldest."""

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
    """The open connections, the one used longest ago first. Neither silent callers nor calls that wait can keep others out."""

    def __init__(self) -> None:
        self._open: dict[One, None] = {}

    def __iter__(self) -> Iterator[One]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: One) -> None:
        """Adds a connection, perhaps in place of another: of those at work the oldest most likely waits, for events say."""
        if len(self._open) >= API_CONNECTIONS:
            leaving = next((one for one in self._open if not one.is_answering), next(iter(self._open)))
            self.remove(leaving)
            leaving.abort()
        self._open[connection] = None

    def used(self, connection: One) -> None:
        """Notes that a connection is answered."""
        if connection in self._open:
            self._open[connection] = self._open.pop(connection)

    def remove(self, connection: One) -> None:
        """Forgets a connection that is over; an unknown one is ignored."""
        self._open.pop(connection, None)
