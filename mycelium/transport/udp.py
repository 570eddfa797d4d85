"""UDP, with one system call for many datagrams where the kernel offers UDP_SEGMENT (GSO) and UDP_GRO.

Answers leave from the address that the neighbour sent to (PKTINFO). When this host has lost that address, the kernel chooses
another and the neighbour follows. Errors caused by ICMP are never raised, because ICMP can be forged.
"""

import errno
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from math import inf
from typing import Final

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.limits import ENDPOINTS_REMEMBERED
from mycelium.packet.ecn import ECN_MASK
from mycelium.timing import Silence
from mycelium.transport.base import SHORT_BYTES, Buffer, Received
from mycelium.transport.causes import cause_of
from mycelium.transport.udp_address import (
    SCHEME,
    ControlMessage,
    SocketAddress,
    ToSocket,
    reach,
    to_inet,
    to_inet6,
)
from mycelium.transport.udp_burst import ANCILLARY_BYTES, QUIC_BYTES, RECEIVE_BYTES, BurstReceiver
from mycelium.transport.udp_mark import MARKED, unmarked
from mycelium.transport.udp_route import UdpRoute
from mycelium.transport.udp_socket import (
    enable_gro,
    has_gso,
    open_udp_socket,
)
from mycelium.transport.udp_sources import UdpSources
from mycelium.transport.udp_timestamps import NO_TIMESPEC, SIOCGSTAMPNS, TIMESPEC, start_timestamping
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import SIZE_PROBE

GATHER_BYTES: Final = 68_000  # most bytes of single datagrams that are read together: a frame, and few of the next one
OTHERS_AT_ONCE: Final = 16  # batches of QUIC handed over in one call
GSO_SEGMENTS: Final = 64  # UDP_MAX_SEGMENTS of older kernels; newer ones accept 128
GSO_SEND_BYTES: Final = 65_507  # the largest UDP payload over IPv4
FEW_BUFFERS: Final = 4
NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ENODEV)
SOURCE_GONE: Final = (errno.EINVAL, errno.ENETUNREACH)  # IPv6's and IPv4's errors for a source address the host lacks

_ANY_CLASS: Final = 0xFF

TakeOther = Callable[
    [memoryview, int, Endpoint], None
]  # takes what `Received` does; the view is valid during the call only


@dataclass(slots=True)
class UdpCounters:
    """What one UDP socket counts."""

    received_batches: int = counter("Receive calls that brought datagrams.")
    received_bytes: int = counter("Bytes of the datagrams received.")
    receive_errors: int = counter("Receive calls that failed.")
    inside_dropped: int = drops("Batches of datagrams dropped since they came through the overlay itself.")
    sent_batches: int = counter("Send calls that succeeded.")
    sent_bytes: int = counter("Bytes of the datagrams sent.")
    send_full: int = counter("Send calls refused because the socket's buffer was full.")
    send_oversize: int = drops("Datagrams too long for the interface or for UDP.")
    mtu_probes_refused: int = counter("Path MTU probes too long for the interface, which is what they are to find out.")
    send_errors: int = drops("Send calls that failed for another reason.")
    source_gone: int = counter("Sends that left from another address because ours was gone.")


class UdpTransport:
    """One UDP socket; see `Transport` for what its methods promise."""

    scheme = SCHEME
    is_backed_up = False
    due_at = inf

    __slots__ = (
        "_arrived_at",
        "_bound",
        "_burst",
        "_class_mask",
        "_held",
        "_recvmsg_into",
        "_routes",
        "_sendmsg",
        "_silence",
        "_socket",
        "_sources",
        "_to_socket",
        "_told",
        "_view",
        "counters",
        "gro",
        "gso",
        "is_congested",
        "is_drained",
        "oversize",
        "refused",
        "take_quic",
        "unreachable",
    )

    def __init__(
        self, udp: socket.socket, *, offload: bool = True, dscp: bool = True, underlay: Underlay | None = None
    ) -> None:
        self._socket = udp
        self._sendmsg = udp.sendmsg
        self._to_socket: ToSocket = to_inet if udp.family == socket.AF_INET else to_inet6
        self._sources = UdpSources(udp, underlay or Underlay(), self._drop_inside)
        self._told = self._sources.told
        self._bound = self._sources.bound
        self._recvmsg_into = udp.recvmsg_into
        self._view = memoryview(bytearray(GATHER_BYTES + 2 * RECEIVE_BYTES))
        self._burst = BurstReceiver(udp, self._view, self._sources.of)
        # read, but not returned: of another sender or size than what came before, or moved here; with the time of day when it
        # arrived, if the kernel can't tell it any more
        self._held: deque[tuple[Received, float | None]] = deque()
        self._arrived_at: float | None = None  # of what `receive` has returned last, if that is known
        self._silence = Silence()
        self._routes: dict[Endpoint | tuple[Endpoint, int], UdpRoute] = {}  # by endpoint, and traffic class but 0
        self._class_mask = _ANY_CLASS if dscp else ECN_MASK
        self.is_congested = self.is_drained = False
        self.gso = offload and has_gso(udp)
        self.gro = offload and enable_gro(udp)
        self.unreachable: dict[Endpoint, str] = {}
        self.refused: dict[Endpoint, str] = {}
        self.oversize: dict[Endpoint, int] = {}
        self.take_quic: TakeOther | None = None  # takes the QUIC datagrams that arrive on this port; None: nobody
        self.counters = UdpCounters()

    @classmethod
    def open(
        cls, host: str, port: int, *, offload: bool = True, dscp: bool = True, underlay: Underlay | None = None
    ) -> "UdpTransport":
        """Listens on a numeric address, `::` for all of both families; raises DeviceError, written for the operator.

        `offload` False leaves GSO and GRO unused even where the kernel has them; `dscp` False keeps all but the ECN of traffic
        classes from the network.
        """
        underlay = underlay or Underlay()
        udp = open_udp_socket(host, port, underlay)
        start_timestamping(udp)
        return cls(udp, offload=offload, dscp=dscp, underlay=underlay)

    def fileno(self) -> int:
        return self._socket.fileno()

    def reach(self, endpoint: Endpoint) -> float:
        is_mine = endpoint.scheme == SCHEME and endpoint.local_port in (0, self._bound.port)
        return reach(self._bound, endpoint) if is_mine else 0.0

    def receive(self) -> Received | None:
        received: Received | None
        if self._held:
            received, self._arrived_at = self._held.popleft()
            self.is_drained = False
            if not self._held and self._arrived_at is None and self._burst.may_begin(received):
                received = self._gather(*received)
        else:
            received, self._arrived_at = self._receive_next(), None
        self.is_congested = received is not None and received[2].site == MARKED
        if received is None or not self.is_congested:
            return received
        data, size, source = received
        return data, size, unmarked(source)

    def _receive_next(self) -> Received | None:
        received = self._receive_at_once()
        is_alone = self._silence.ends(is_drained=self.is_drained, now=time.monotonic())
        self.is_drained = self._silence.is_over or received is None
        if received is None or is_alone:
            return received
        data, size, source = received
        return received if len(data) != size or size <= SHORT_BYTES else self._gather(data, size, source)

    def _gather(self, begun: memoryview, size: int, source: Endpoint) -> Received:
        """Appends further single datagrams that differ in nothing from those in `begun`, as GRO would have done."""
        length = len(begun)
        try:
            (first, *others), is_drained = self._burst.gather(begun, size, source, GATHER_BYTES)
        except OSError:
            self.counters.receive_errors += 1
            return self._view[:length], size, source
        came = len(first[0]) - length + sum([len(data) for data, _, _ in others])
        self.counters.received_batches += came > 0
        self.counters.received_bytes += came
        self._held.extend((mine, None) for other in others if (mine := self._take(*other)) is not None)
        self.is_drained = is_drained and not self._held
        return first

    def _receive_at_once(self) -> Received | None:
        """Receives what one call brings; returns None when nothing is queued, or it is not for the node."""
        view = self._view
        for _ in range(OTHERS_AT_ONCE):
            try:
                length, ancillary, _, address = self._recvmsg_into((view,), ANCILLARY_BYTES)
            except BlockingIOError:
                return None
            except OSError:
                self.counters.receive_errors += 1
                return None
            self.counters.received_batches += 1
            self.counters.received_bytes += length
            told = self._told.get((address, *ancillary)) or self._sources.understand(address, ancillary)
            if told is None:
                return None
            source, size = told
            if length <= (size or length) and view[0] < QUIC_BYTES:
                return view[:length], size or length or 1, source
            mine = self._take(view[:length], size or length or 1, source)
            if mine is not None:
                return mine
        return None

    def _take(self, data: memoryview, size: int, source: Endpoint) -> Received | None:
        """Returns what is the node's of datagrams that were received together, after others have got theirs."""
        length = len(data)
        # The last one is looked at too: the kernel puts datagrams of one sender together, whatever they are.
        if not length or (data[0] < QUIC_BYTES and (length <= size or data[(length - 1) // size * size] < QUIC_BYTES)):
            return data, size, source
        if self.take_quic is None:
            return data, size, source
        length = self._hand_over(data, size, source)
        return (data[:length], min(size, length), source) if length else None

    def _hand_over(self, batch: memoryview, size: int, source: Endpoint) -> int:
        """Hands the QUIC datagrams of a batch over; moves the others to its beginning and returns their length."""
        assert self.take_quic is not None
        source = unmarked(source)
        pieces = [batch[start : start + size] for start in range(0, len(batch), size)]
        mine = b"".join(piece for piece in pieces if piece[0] < QUIC_BYTES)
        if not mine:
            self.take_quic(batch, size, source)
            return 0
        for piece in pieces:
            if piece[0] >= QUIC_BYTES:
                self.take_quic(piece, len(piece), source)
        batch[: len(mine)] = mine
        return len(mine)

    def holds_more(self) -> bool:
        return bool(self._held)

    def stop_waiting(self) -> None:
        pass

    def waited_s(self) -> float:
        if self._arrived_at is not None:
            return max(time.time() - self._arrived_at, 0.0)
        try:
            seconds, nanoseconds = TIMESPEC.unpack(ioctl(self._socket, SIOCGSTAMPNS, NO_TIMESPEC))
        except OSError:  # nothing arrived yet, or an old kernel
            return 0.0
        waited_s: float = time.time() - seconds - nanoseconds * 1e-9
        return max(waited_s, 0.0)

    def send(
        self,
        endpoint: Endpoint,
        buffers: Sequence[Buffer],
        segment_size: int,
        is_bulk: bool = False,
        traffic_class: int = 0,
    ) -> bool:
        key = (endpoint, traffic_class) if traffic_class else endpoint
        route = self._routes.get(key) or self._remember_route(endpoint, traffic_class)
        if route is None:
            return True
        # Few buffers are added up, because a single datagram needs no segment size. Many are left to the kernel, which
        # refuses at once what exceeds one call.
        if len(buffers) <= FEW_BUFFERS and sum(map(len, buffers)) <= segment_size:
            control = route.single
        elif self.gso:
            control = route.control(segment_size)
        else:
            return self._send_pieces(route, buffers, segment_size)
        try:
            self.counters.sent_bytes += self._sendmsg(buffers, control, 0, route.address)
        except BlockingIOError:
            self.counters.send_full += 1
            return False
        except OSError as error:
            if error.errno == errno.EIO:  # the interface can't compute checksums of segments
                self.gso = False
            return self._send_pieces(route, buffers, segment_size)
        self.counters.sent_batches += 1
        return True

    @property
    def local_endpoints(self) -> list[Endpoint]:
        return [self._bound]

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        pass

    def close(self) -> None:
        self._socket.close()

    # -- caches per endpoint --------------------------------------------------------------------------------------------

    def _drop_inside(self) -> None:
        self.counters.inside_dropped += 1

    def _remember_route(self, endpoint: Endpoint, traffic_class: int) -> UdpRoute | None:
        if len(self._routes) >= ENDPOINTS_REMEMBERED:
            del self._routes[next(iter(self._routes))]
        try:
            address, source = self._to_socket(endpoint)
        except ValueError:  # a host name, or IPv6 on a socket that has none
            self.counters.send_errors += 1
            return None
        route = UdpRoute(endpoint, address, source, traffic_class & self._class_mask)
        self._routes[(endpoint, traffic_class) if traffic_class else endpoint] = route
        return route

    # -- slow paths of sending ------------------------------------------------------------------------------------------

    def _send_pieces(self, route: UdpRoute, buffers: Sequence[Buffer], segment_size: int) -> bool:
        """Sends in several calls: one per datagram without GSO, else with as many datagrams as one call may carry."""
        batch = memoryview(b"".join(buffers))
        segments = max(1, min(GSO_SEGMENTS, GSO_SEND_BYTES // segment_size)) if self.gso else 1
        step = segments * segment_size
        return all(
            self._send_piece(route, batch[start : start + step], segment_size) for start in range(0, len(batch), step)
        )

    def _send_piece(self, route: UdpRoute, piece: memoryview, segment_size: int) -> bool:
        is_cut = len(piece) > segment_size
        error = self._try_send(route.address, piece, route.control(segment_size) if is_cut else route.single)
        if error in SOURCE_GONE and route.is_bound:
            stray = UdpRoute(route.endpoint, route.address, [], route.traffic_class)
            error = self._try_send(route.address, piece, stray.control(segment_size) if is_cut else stray.single)
            if not error:
                self.counters.source_gone += 1
                route.forget_source()
        if error == errno.EAGAIN:
            self.counters.send_full += 1
            return False
        if error == errno.EMSGSIZE or (error == errno.EINVAL and is_cut):
            if is_cut:  # sent one by one, so that only the datagrams that are too long are lost
                pieces = [piece[start : start + segment_size] for start in range(0, len(piece), segment_size)]
                return all(self._send_piece(route, one, segment_size) for one in pieces)
            self._count_oversize(piece)
            if len(self.oversize) < ENDPOINTS_REMEMBERED:
                self.oversize[route.endpoint] = min(segment_size, len(piece))
        elif error:
            self.counters.send_errors += 1
            causes = self.unreachable if error in NO_WAY else self.refused
            if len(causes) < ENDPOINTS_REMEMBERED:
                causes[route.endpoint] = cause_of(error)
        return True

    def _count_oversize(self, datagram: memoryview) -> None:
        if datagram[0] == SIZE_PROBE:
            self.counters.mtu_probes_refused += 1
        else:
            self.counters.send_oversize += 1

    def _try_send(self, address: SocketAddress, piece: memoryview, control: list[ControlMessage]) -> int:
        try:
            self.counters.sent_bytes += self._sendmsg([piece], control, 0, address)
        except OSError as error:
            return error.errno or errno.EIO
        self.counters.sent_batches += 1
        return 0
