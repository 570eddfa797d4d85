"""What every transport looks like from above: batches of datagrams in and out, and no protocol."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from mycelium.endpoint import Endpoint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Buffer = bytes | bytearray | memoryview

# datagrams of one sender back to back, their size (the last may be shorter; at least 1), and where they came from
Received = tuple[memoryview, int, Endpoint]


class Transport(Protocol):
    """A non-blocking medium that carries datagrams; failures of the network are counted, never raised.

    `unreachable` and `oversize` tell what the system refused to send, until the owner empties them. A transport may have
    connections, which it dials and accepts itself: the owner hears of one only that its endpoint is unreachable once it has
    ended.
    """

    scheme: str  # of the endpoints that it can reach
    unreachable: dict[Endpoint, None]  # no way to them, for a moment perhaps, or their connection has ended
    oversize: dict[Endpoint, int]  # the length of a datagram that was too long to leave this host

    @property
    def is_backed_up(self) -> bool:
        """Tells whether so much waits in the transport that senders had better wait; its descriptor tells of the end of it."""

    def fileno(self) -> int:
        """Returns the descriptor that is readable while `receive` has something."""

    def reach(self, endpoint: Endpoint) -> float:
        """Tells how well this transport is placed to send to an endpoint, beside others: 0 where it can't at all."""

    def receive(self) -> Received | None:
        """Takes what one system call brings; None when nothing waits. The view holds until the next call."""

    def holds_more(self) -> bool:
        """Tells whether `receive` has something that the descriptor does not show, since the system gave it out already."""

    def waited_s(self) -> float:
        """Returns for how many seconds the last that `receive` took had waited to be taken; 0 where that is not known."""

    def send(self, endpoint: Endpoint, buffers: Sequence[Buffer], segment_size: int, is_bulk: bool = False) -> bool:
        """Sends the buffers' bytes as one datagram, or cut into datagrams of `segment_size` where they are longer.

        False means that the medium is full: the same bytes may be offered again once the descriptor is writable. A first
        part of a long batch may have left by then, so the receiver must bear a datagram that comes twice. True means
        that they left, or wait in the transport, or are dropped for good, in which case a counter says why. A transport
        that queues drops bulk data first.
        """

    @property
    def local_endpoints(self) -> list[Endpoint]:
        """Where the transport listens."""

    @property
    def counters(self) -> "DataclassInstance":
        """What it counts, for the registry of metrics."""

    def next_deadline(self) -> float:
        """Returns when `handle_timeout` is wanted, as seconds of the monotonic clock; infinity for never."""

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        """Does what is due; `in_use` returns the endpoints of the node's paths, whose connections are to stay open."""

    def close(self) -> None:
        """Gives the descriptor back; may be called twice."""
