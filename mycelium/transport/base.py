"""The interface of every transport: batches of datagrams in and out, without any protocol."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from mycelium.endpoint import Endpoint

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Buffer = bytes | bytearray | memoryview

SHORT_BYTES: Final = 80  # datagrams up to this carry no packet, but perhaps a probe, for which `waited_s` matters

# contiguous datagrams of one sender; their size, at least 1 (the last may be shorter); the sender's endpoint
Received = tuple[memoryview, int, Endpoint]


class Transport(Protocol):
    """A non-blocking sender and receiver of datagrams; failures of the network are counted, never raised.

    `unreachable`, `refused` and `oversize` collect what the system did not send; the owner empties them. A transport may
    have connections, which it dials and accepts by itself: when one ends, its endpoint becomes unreachable.
    """

    scheme: str  # of the endpoints that it can reach
    unreachable: dict[Endpoint, str]  # why, for people: no route, perhaps for a moment, or a connection that has ended
    refused: dict[Endpoint, str]  # why, for people, the system refuses to send there, although it knows a way
    due_at: float  # when `handle_timeout` is due, in seconds of the monotonic clock; infinity for never
    oversize: dict[Endpoint, int]  # length of a datagram that exceeded the interface's MTU
    is_drained: bool  # whether `receive` has nothing more, as far as it knows, until the descriptor is readable again
    is_congested: (
        bool  # whether a router has marked what `receive` returned last with Congestion Experienced (RFC 3168)
    )

    @property
    def is_backed_up(self) -> bool:
        """Tells whether local senders should wait; the descriptor becomes readable when that ends."""

    def stop_waiting(self) -> None:
        """Has local senders wait no longer for what is backed up now; `is_backed_up` leaves it out until it is relieved."""

    def fileno(self) -> int:
        """Returns the descriptor that is readable while `receive` has something."""

    def reach(self, endpoint: Endpoint) -> float:
        """Ranks this transport for sending to an endpoint: the highest rank fits best, 0 can't send there."""

    def receive(self) -> Received | None:
        """Returns what one system call has received, or None when nothing is queued.

        The view is valid until the next call. Unless it is read-only, whoever takes it may write to it.
        """

    def holds_more(self) -> bool:
        """Tells whether `receive` has datagrams that were read already, so that the descriptor need not be readable.

        Whoever turns to other work before `receive` has returned None asks this first.
        """

    def waited_s(self) -> float:
        """Returns how many seconds the newest datagram from `receive` had waited in the system; 0 if unknown."""

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        """Sends the buffers' bytes as one datagram, or as datagrams of `segment_size` if they are longer.

        `traffic_class` is for their IP headers; a transport that can't set it for single datagrams leaves it out.

        False means that the transport is full: offer the same bytes again once the descriptor is writable. The beginning of
        a long batch may have left already, so receivers must tolerate duplicates. True means that the bytes were sent,
        queued in the transport, or dropped, which a counter shows. A transport that queues drops bulk data first.
        """

    @property
    def local_endpoints(self) -> list[Endpoint]:
        """Where the transport listens."""

    @property
    def counters(self) -> "DataclassInstance":
        """The counters, for the registry of metrics."""

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        """Does what is due; `in_use` returns the endpoints of the node's paths, whose connections stay open."""

    def close(self) -> None:
        """Closes the descriptor; may be called twice."""
