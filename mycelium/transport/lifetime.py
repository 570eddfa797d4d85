"""How long a connection lives that the node does not use: the same for streams and QUIC.

A connection is trusted once the node uses it for a path. One that is not gives way to a new one where there are too many.
"""

from collections.abc import Collection, Iterable
from typing import Final, Protocol, TypeVar

from mycelium.endpoint import Endpoint

CONNECT_S: Final = 4.0  # time after which opening, with all layers, is given up
UNUSED_S: Final = 10.0  # time after which a connection without a path is closed; longer than a handshake may take
SWEEP_S: Final = 1.0  # interval between checks of all connections


class Connection(Protocol):
    """What these functions know of a connection; `names` are the endpoints that the node may send to."""

    names: tuple[Endpoint, ...]
    is_trusted: bool
    unused_since: float

    @property
    def is_suspended(self) -> bool:
        """Tells whether a stranger has said too much for its connection to be kept without a path."""


AnyConnection = TypeVar("AnyConnection", bound=Connection)


def has_path(connection: Connection, in_use: Collection[Endpoint]) -> bool:
    """Tells whether the node has a path over a connection, from the endpoints of all its paths."""
    return any(name in in_use for name in connection.names)


def is_overdue(connection: Connection, *, now: float) -> bool:
    """Tells whether it has taken too long to open a connection."""
    return now - connection.unused_since > CONNECT_S


def is_unused(connection: Connection, *, now: float) -> bool:
    """Tells whether a connection without a path is to be closed."""
    return connection.is_suspended or now - connection.unused_since > UNUSED_S


def first_untrusted(connections: Iterable[AnyConnection]) -> AnyConnection | None:
    """Returns the first connection that may give way to a new one; None if all are trusted."""
    return next((one for one in connections if not one.is_trusted), None)
