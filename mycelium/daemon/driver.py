"""Drives a node on a real host: reads the clock and the descriptors, hands bytes to the node, carries out its outbox.

    TUN readable  -> read_batch -> node.send_packets -> outbox -> transport.send
    UDP readable  -> receive    -> node.receive      -> outbox -> transport.send, tun.write
    timer         -> node.handle_timeout             -> outbox

The one place where data crosses between descriptors and the node. Nothing here looks into a packet.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from typing import Final

from mycelium.daemon.sleep import SleepWatch, slept_s
from mycelium.endpoint import Endpoint, Lost
from mycelium.limits import ENDPOINTS_REMEMBERED, UNSENT_BYTES
from mycelium.node.node import Node
from mycelium.outbox import Event, Transmit
from mycelium.packet.batch import PacketBatch
from mycelium.transport.base import Transport
from mycelium.tun.base import TunDevice

TICK_S: Final = 0.005  # after traffic the node's timers are looked at within this time, not after every packet
READS_PER_WAKE: Final = 16  # of one descriptor, before the others have their turn
SEGMENTS_PER_SEND: Final = 64  # datagrams that one system call may carry
BYTES_PER_SEND: Final = 64_000
LATE_S: Final = 0.01  # a timer later than this is not looked at before what has come meanwhile,
BACKLOG_S: Final = 0.025  # nor is one while what is read has waited for longer than this
ROUNDS_TO_CATCH_UP: Final = 16  # of reading, before the timer is looked at all the same


def merged(transmits: list[Transmit]) -> Iterable[Transmit]:
    """Joins lone datagrams in a row that go to one place and are equally long, the last perhaps shorter: one system call."""
    if len(transmits) < 2:
        return transmits
    joined: list[Transmit] = []
    run: list[bytes | memoryview] = []  # of the last of `joined`, while it may grow
    room = 0
    for endpoint, buffers, segment_size in transmits:
        if room and endpoint == joined[-1][0] and segment_size <= joined[-1][2] and len(buffers) == 1:
            run.append(buffers[0])
            room = room - 1 if segment_size == joined[-1][2] else 0
            continue
        run = list(buffers)
        joined.append((endpoint, run, segment_size))
        room = min(SEGMENTS_PER_SEND, BYTES_PER_SEND // segment_size) - 1 if len(run) == 1 else 0
    return joined


class Driver:
    """Ties one node to its transports and, unless it only relays, its TUN device."""

    def __init__(
        self,
        node: Node,
        *,
        transports: list[Transport],
        tun: TunDevice | None,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None],
        on_journal: Callable[[], None],
    ) -> None:
        self._node = node
        self._outbox = node.outbox
        self._transports = transports
        self._tun = tun
        self._loop = loop
        self._on_event = on_event
        self._on_journal = on_journal
        self._journal = node.journal
        self._journal_seen = 0
        self._batch = PacketBatch()
        self._transport_of: dict[Endpoint, Transport] = {}  # only where there are several
        self._unsent: deque[tuple[Transport, Endpoint, bytes, int]] = deque()  # of transports that are full
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._backlog_s = 0.0  # how long what was read last had waited; 0 when nothing more waited behind it
        self._sleep = SleepWatch(slept_s())
        self.dropped_unsent = 0

    def start(self) -> None:
        """Begins to read; the loop must be running."""
        for transport in self._transports:
            self._loop.add_reader(transport.fileno(), self._on_transport, transport)
        if self._tun is not None:
            self._loop.add_reader(self._tun.fileno(), self._on_tun)
        self.act(lambda now: None)

    def stop(self) -> None:
        """Says goodbye to the neighbours and stops reading; what was opened stays its opener's."""
        self._node.close(now=monotonic())
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        for transport in self._transports:
            self._loop.remove_reader(transport.fileno())
            self._loop.remove_writer(transport.fileno())
        if self._tun is not None:
            self._loop.remove_reader(self._tun.fileno())

    def act(self, action: Callable[[float], None]) -> None:
        """Calls the node from outside the data path, with the time, and carries out what it wants done."""
        action(monotonic())
        self._flush()
        self._arm()

    # -- descriptors ---------------------------------------------------------------------------------------------------

    def _on_transport(self, transport: Transport) -> None:
        node, tun, outbox = self._node, self._tun, self._outbox
        several = len(self._transports) > 1
        has_delivered = False
        now = monotonic()
        for _ in range(READS_PER_WAKE):
            received = transport.receive()
            if received is None:
                self._backlog_s = 0.0
                break
            data, segment_size, endpoint = received
            if several:
                if len(self._transport_of) >= ENDPOINTS_REMEMBERED:
                    self._transport_of.clear()
                self._transport_of[endpoint] = transport
            now = monotonic()
            self._backlog_s = transport.waited_s()
            node.receive(endpoint, data, segment_size, now=now, waited_s=self._backlog_s)
            if outbox.deliveries and tun is not None:
                tun.write(outbox.deliveries)
                outbox.deliveries.clear()
                has_delivered = True
            self._flush()
        if has_delivered and not self._unsent:
            self._on_tun()  # the kernel answers at once what it was handed: acknowledgements, echo replies
        else:
            self._tick(now)

    def _on_tun(self) -> None:
        assert self._tun is not None
        node, tun, batch = self._node, self._tun, self._batch
        now = monotonic()
        for _ in range(READS_PER_WAKE):
            if self._unsent or not tun.read_batch(batch):
                break
            now = monotonic()
            node.send_packets(batch, now=now)
            self._flush()
        self._tick(now)

    def _flush(self) -> None:
        outbox = self._outbox
        for endpoint, buffers, segment_size in merged(outbox.transmits):
            transport = self._transport_of.get(endpoint) or self._transports[0]
            if self._unsent or not transport.send(endpoint, buffers, segment_size):
                self._keep_unsent(transport, endpoint, b"".join(buffers), segment_size)
        if outbox.deliveries and self._tun is not None:
            self._tun.write(outbox.deliveries)
        events = list(outbox.events)
        outbox.clear()
        for event in events:
            self._on_event(event)

    # -- a full transport ----------------------------------------------------------------------------------------------

    def _keep_unsent(self, transport: Transport, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        """The socket is full: nothing more is read from TUN until it has room again."""
        if self._unsent_bytes + len(data) > UNSENT_BYTES:
            self.dropped_unsent += 1
            return
        if not self._unsent:
            self._loop.add_writer(transport.fileno(), self._on_writable, transport)
            if self._tun is not None:
                self._loop.remove_reader(self._tun.fileno())
        self._unsent.append((transport, endpoint, data, segment_size))
        self._unsent_bytes += len(data)

    def _on_writable(self, full: Transport) -> None:
        while self._unsent:
            transport, endpoint, data, segment_size = self._unsent[0]
            if not transport.send(endpoint, [data], segment_size):
                if transport is not full:
                    self._loop.remove_writer(full.fileno())
                    self._loop.add_writer(transport.fileno(), self._on_writable, transport)
                return
            self._unsent.popleft()
            self._unsent_bytes -= len(data)
        self._loop.remove_writer(full.fileno())
        if self._tun is not None:
            self._loop.add_reader(self._tun.fileno(), self._on_tun)

    # -- the one timer -------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        """Traffic may have brought a deadline forward, or news."""
        self._note_unreachable(now)
        self._look_at_journal(now)
        when = min(now + TICK_S, self._outbox.urgent_at)
        self._outbox.urgent_at = inf
        if self._armed_for > when:
            self._set_timer(when, now)

    def _arm(self) -> None:
        now = monotonic()
        self._note_unreachable(now)
        self._look_at_journal(now)
        self._set_timer(self._node.next_deadline(), now)

    def _note_unreachable(self, now: float) -> None:
        """The system knows no way to an endpoint: what went there goes another way from here on."""
        for transport in self._transports:
            if transport.unreachable:
                endpoints = list(transport.unreachable)
                transport.unreachable.clear()
                for endpoint in endpoints:
                    self._node.host_lost(Lost(endpoint=endpoint), now=now)
                self._flush()

    def _look_at_journal(self, now: float) -> None:
        if self._node.routing.changes:
            self._node.note_route_changes(now=now)
        if self._journal.newest != self._journal_seen:
            self._journal_seen = self._journal.newest
            self._on_journal()

    def _set_timer(self, when: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = max(when, now)  # what is due at once is not late
        self._timer = self._loop.call_later(max(0.0, when - now), self._on_timer)

    def _catch_up(self) -> None:
        """Answers that we seem to miss may have been waiting for us."""
        for transport in self._transports:
            for _ in range(ROUNDS_TO_CATCH_UP):
                self._on_transport(transport)
                if self._backlog_s <= BACKLOG_S:
                    break

    def _on_timer(self) -> None:
        now = monotonic()
        late_s = now - self._armed_for
        if late_s > LATE_S or self._backlog_s > BACKLOG_S:
            self._catch_up()
        if self._sleep.has_slept(slept_s(), late_s):
            self._node.resumed(now=now)
        self._node.handle_timeout(now=now)
        self._outbox.urgent_at = inf
        self._flush()
        self._arm()
