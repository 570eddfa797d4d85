"""One QUIC connection that carries datagrams: its send queue, and what the library makes of its packets.

A datagram travels in one DATAGRAM frame. The messages of a link's handshake are longer than a frame may be in a packet that
passes everywhere; they follow their lengths in one stream of each direction.

The library queues frames without bound. So it is given one only when its congestion window has room, and the next one only
once that has left.
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from qh3._hazmat import QuicConnectionCore
from qh3.quic.connection import QuicConnection as Connection
from qh3.quic.connection import QuicConnectionError
from qh3.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    StreamDataReceived,
)

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.limits import (
    QUIC_DATAGRAM,
    QUIC_IN_FLIGHT_BYTES,
    QUIC_LONG_DATAGRAM,
    QUIC_PACKET,
    QUIC_UNSENT_CONTROL_BYTES,
    QUIC_UNSENT_DATA_BYTES,
    QUIC_WINDOW_BYTES,
    STRANGER_BYTES,
)
from mycelium.transport.backlog import ConnectionQueue
from mycelium.transport.base import Buffer
from mycelium.transport.framing import PREFIX_BYTES, framed, split

SILENT_S: Final = 1.5  # without any packet, while an acknowledgement is due: the connection is given up
GRANULARITY_S: Final = 0.000_05  # timers are not set for earlier than this: the library may name a time that has passed
ENDED: Final = ("closing", "draining", "closed", "terminated")


class QuicPipe:
    """A connection, dialled or accepted. Its methods raise EOFError once it has ended, DecodeError for what it can't mean.

    `names` are the endpoints that the node may send to; the last one is the source of received datagrams. A connection is
    trusted once the node uses it for a path; before, at most STRANGER_BYTES are taken from it.
    """

    __slots__ = (
        "_address",
        "_asked_at",
        "_has_new_identifiers",
        "_is_blocked",
        "_partial",
        "_pieces",
        "_quic",
        "_stranger_bytes",
        "_stream",
        "below",
        "deadline",
        "identifiers",
        "is_admitted",
        "is_open",
        "is_trusted",
        "names",
        "peer",
        "queue",
        "received",
        "unused_since",
    )

    def __init__(self, quic: Connection, peer: Endpoint, below: Endpoint, *, is_admitted: bool, now: float) -> None:
        self._quic = quic
        self._address = peer.host, peer.port
        self._asked_at = inf  # when the first packet was sent that nothing has been heard after
        self._has_new_identifiers = False
        self._is_blocked = False  # the library holds a frame that it can't send yet
        self._pieces: deque[bytes] = deque()  # the rest of a batch; nothing else leaves before it
        self._stream: int | None = None  # the stream that carries our long datagrams
        self._partial = b""
        self._stranger_bytes = 0
        self.peer = peer
        self.below = below  # where its packets are sent
        self.names: tuple[Endpoint, ...] = (peer.remote, peer) if peer.local else (peer,)
        self.identifiers = [quic.host_cid]  # that packets to this end are addressed to
        self.queue: ConnectionQueue[tuple[bytes, int]] = ConnectionQueue(
            QUIC_UNSENT_DATA_BYTES, QUIC_UNSENT_CONTROL_BYTES
        )
        self.received: list[bytes] = []  # datagrams, to be taken by the owner
        self.is_open = False
        self.is_admitted = is_admitted  # counted among the strangers of its host
        self.is_trusted = False
        self.unused_since = now
        self.deadline = inf

    @property
    def is_expected(self) -> bool:
        """Tells whether this node dialled or uses the connection, so that it is not a stranger's."""
        return self.is_trusted or not self.peer.connection

    @property
    def is_suspended(self) -> bool:
        """Tells whether a stranger has said too much for the owner not to look at it."""
        return not self.is_trusted and self._stranger_bytes > STRANGER_BYTES

    def receive(self, packets: bytes, size: int, *, now: float) -> None:
        """Takes packets of `size` bytes; the last may be shorter."""
        core = self._quic._core
        try:
            if self.is_open and core is not None:  # the library's own methods would take half as long again
                core.receive_gro_buffer(packets, size, self._address, now)
                self._quic._drain_core()
            elif size >= len(packets):
                self._quic.receive_datagram(packets, self._address, now)
            else:
                self._quic.receive_gro_buffer(packets, size, self._address, now)
        except (QuicConnectionError, RuntimeError, ValueError, ArithmeticError, LookupError, AssertionError) as error:
            raise DecodeError(f"QUIC: {error}") from error
        self._asked_at = inf
        self._stranger_bytes += 0 if self.is_trusted else len(packets)
        self._take_events()

    def take_identifiers(self) -> list[bytes]:
        """Returns the identifiers of this end if they have changed."""
        changed, self._has_new_identifiers = self._has_new_identifiers, False
        return self.identifiers if changed else []

    def put(self, buffers: Sequence[Buffer], segment_size: int, *, is_bulk: bool) -> int:
        """Queues datagrams; returns their length, 0 if too much waits already."""
        batch = b"".join(buffers)
        return len(batch) if self.queue.put((batch, segment_size), len(batch), is_bulk=is_bulk) else 0

    def pump(self, *, now: float) -> list[bytes]:
        """Returns the packets that may leave now."""
        packets: list[bytes] = []
        core = self._quic._core
        assert core is not None
        try:
            self._poll(core, packets, now=now)
            if self.is_open and not self._is_blocked:
                self._send_queue(core, packets, now=now)
        except (QuicConnectionError, RuntimeError) as error:  # the peer takes no DATAGRAM frames, or not of this size
            raise DecodeError(f"QUIC: {error}") from error
        timer = core.get_timer()
        silent_at = self._asked_at + SILENT_S if self.is_open else inf
        self.deadline = max(min(inf if timer is None else timer[1], silent_at), now + GRANULARITY_S)
        return packets

    def _poll(self, core: QuicConnectionCore, packets: list[bytes], *, now: float) -> None:
        """Takes all packets that the library has."""
        before = core.bytes_in_flight
        while (packet := core.poll_transmit(now)) is not None:
            packets.append(packet[0])
        if core.bytes_in_flight > before:  # what is in flight carries frames, which acknowledgements alone do not
            self._is_blocked = False
            self._asked_at = min(self._asked_at, now)

    def _send_queue(self, core: QuicConnectionCore, packets: list[bytes], *, now: float) -> None:
        """Hands frames over one by one, as long as each leaves at once."""
        most = min(core.congestion_window, QUIC_IN_FLIGHT_BYTES) - QUIC_PACKET
        in_flight = core.bytes_in_flight
        while in_flight <= most and (self._pieces or self.queue):
            piece = self._pieces.popleft() if self._pieces else self._next_piece()
            if len(piece) > QUIC_DATAGRAM:
                self._send_in_stream(piece)
                self._poll(core, packets, now=now)
                in_flight = core.bytes_in_flight
                continue
            core.send_datagram(piece)
            packet = core.poll_transmit(now)
            if packet is not None:
                packets.append(packet[0])
            before, in_flight = in_flight, core.bytes_in_flight
            if in_flight <= before:
                self._is_blocked = True
                break
            self._asked_at = min(self._asked_at, now)

    def handle_timeout(self, *, now: float) -> None:
        """Lets the library do what is due."""
        timer = self._quic.get_timer()
        if timer is not None and now >= timer:
            self._quic.handle_timer(now)
            self._take_events()

    def is_silent(self, *, now: float) -> bool:
        """Tells whether the peer does not answer any more: it was restarted, or the network is down."""
        return self.is_open and now - self._asked_at >= SILENT_S

    def close(self, *, now: float) -> list[bytes]:
        """Returns the packet that tells the peer."""
        self._quic.close()
        return [packet for packet, _ in self._quic.datagrams_to_send(now)]

    def _next_piece(self) -> bytes:
        batch, size = self.queue.pop()
        self._pieces.extend(batch[start : start + size] for start in range(0, len(batch), size))
        return self._pieces.popleft()

    def _send_in_stream(self, piece: bytes) -> None:
        if self._quic.get_send_buffer_size() < QUIC_WINDOW_BYTES:
            if self._stream is None:
                self._stream = self._quic.get_next_available_stream_id(is_unidirectional=True)
            self._quic.send_stream_data(self._stream, b"".join(framed([piece], len(piece))))

    def _take_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, DatagramFrameReceived):
                self.received.append(event.data)
            elif isinstance(event, StreamDataReceived):
                self._take_stream(event.data)
            elif isinstance(event, HandshakeCompleted):
                self.is_open = True
            elif isinstance(event, ConnectionIdIssued):
                self._has_new_identifiers = True
                self.identifiers.append(event.connection_id)
            elif isinstance(event, ConnectionIdRetired):
                self.identifiers.remove(event.connection_id)
            elif isinstance(event, ConnectionTerminated):
                raise EOFError
        core = self._quic._core
        if core is not None and core.state in ENDED:
            raise EOFError

    def _take_stream(self, data: bytes) -> None:
        stream = memoryview(self._partial + data)
        datagrams, end = split(stream)
        self.received += map(bytes, datagrams)
        self._partial = bytes(stream[end:])
        if len(self._partial) > QUIC_LONG_DATAGRAM + PREFIX_BYTES:
            raise DecodeError("a datagram in a stream is too long")
