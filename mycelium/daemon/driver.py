"""Drives a node on a real host: reads the clock and the descriptors, hands bytes to the node, carries out its outbox.

    TUN readable       -> read_batch -> node.send_packets   -> outbox -> transport.send
    transport readable -> receive    -> node.receive        -> outbox -> transport.send, tun.write
    timer              ->               node.handle_timeout -> outbox

The one place where data crosses between descriptors and the node. Nothing here looks into a packet.

What every driver owes its node, this one and that of the virtual network (sim/net/driver.py):

- It calls the node from one thread, with `now` from a clock that never runs backwards.
- After each call it sends `outbox.transmits` in order, writes `outbox.deliveries` to TUN, takes `outbox.events` and clears the
  outbox, all before the next call. Then it answers the events; each answer is a call of its own.
- After each call it arms one timer for `next_deadline()`, when it calls `handle_timeout`. Late is legal, early is harmless.
- If the process did not run for a while, datagrams that arrived meanwhile are handed over before the timer is handled, with
  the time that each has waited.
- It tells the node's handshakes the time of day, where that is not `now` itself, soon after it was set.
- It reports what the host knows about its network (`network_changed`, `host_lost`). At the end it calls `close` and sends
  what is in the outbox.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from time import monotonic, time
from typing import Final

from mycelium.capture.ring import CaptureRing
from mycelium.daemon.copies import ClockSteps, clock_offset_s
from mycelium.daemon.sleep import SleepWatch, slept_s
from mycelium.endpoint import Endpoint, Lost
from mycelium.errors import DeviceError
from mycelium.node.copied import drop_keys
from mycelium.node.node import Node
from mycelium.outbox import Event, Transmit
from mycelium.packet.batch import PacketBatch
from mycelium.transport.base import SHORT_BYTES, Transport
from mycelium.transport.set import TransportSet
from mycelium.transport.udp_links import UdpLinks
from mycelium.tun.base import TunDevice

READS_PER_WAKE: Final = 16  # from one descriptor, before the others have their turn
LATE_S: Final = 0.01  # a timer that fires later than this first has what arrived meanwhile read
BACKLOG_S: Final = 0.025  # datagrams that waited longer before being read also make a timer late
ROUNDS_TO_CATCH_UP: Final = 16  # rounds of reading after which the timer has its turn all the same
DATAGRAMS_OF_LINK: Final = 2  # of each link that are read besides: one that it is probed with, one that it answers with
CATCH_UP_S: Final = 0.5  # after which those are left for later: strangers may have sent all of them
RETRY_S: Final = 1.0  # until the timer fires again after it has failed
# The longest that a full transport stops the reading of TUN. The stop makes local senders wait instead of losing packets, but
# delays traffic over other transports too. A transport that stays full longer drops what its queue can't hold.
TUN_PAUSE_S: Final = 0.02


class Driver:
    """Ties one node to its transports and, unless it only relays, its TUN device."""

    def __init__(
        self,
        node: Node,
        *,
        transports: TransportSet,
        tun: TunDevice | None,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None],
        on_journal: Callable[[], None],
        on_tun_lost: Callable[[], None],
    ) -> None:
        self._node = node
        self._outbox = node.outbox
        self._transports = transports
        self._receive, self._send = node.receive, transports.send  # `tap` listens between
        self._tun = tun
        self._loop = loop
        self._on_event = on_event
        self._on_journal = on_journal
        self._on_tun_lost = on_tun_lost
        self._journal = node.journal
        self._journal_seen = 0
        self._route_changes = node.routing.changes
        self._batch = PacketBatch()
        self._resume: asyncio.TimerHandle | None = None  # set while TUN is not read, because a transport is full
        self._backed_up: Transport | None = None  # the transport that TUN waits for, if it queues by itself
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self._backlog_s: dict[Transport, float] = {}  # how long the last read datagram had waited; 0 once all are read
        self._revisits: dict[Transport, asyncio.Handle] = {}  # scheduled reads of what transports hold themselves
        self._sleep = SleepWatch(slept_s())
        self._clock = ClockSteps(clock_offset_s())

    def start(self) -> None:
        """Begins to read; the loop must be running."""
        for transport in self._transports.transports:
            self._loop.add_reader(transport.fileno(), self._on_transport, transport)
            if isinstance(transport, UdpLinks):
                transport.on_moved = self._revisit
        if self._tun is not None:
            self.attach(self._tun)
        self.act(lambda now: self._node.handshakes.set_clock(time(), now=now))

    def attach(self, tun: TunDevice) -> None:
        """Begins to read a TUN device."""
        self._tun = tun
        self._loop.add_reader(tun.fileno(), self._on_tun)

    def detach(self) -> None:
        """Uses the TUN device no more; to be called before its descriptor is closed."""
        if self._tun is not None:
            self._loop.remove_reader(self._tun.fileno())
            self._tun = None
        if self._resume is not None:
            self._resume.cancel()
            self._resume = self._backed_up = None

    def stop(self) -> None:
        """Says goodbye to the neighbours and stops reading; what was opened stays its opener's."""
        self._node.close(now=monotonic())
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = -inf  # no timer is set any more
        for handle in self._revisits.values():
            handle.cancel()
        for transport in self._transports.transports:
            self._loop.remove_reader(transport.fileno())
            self._loop.remove_writer(transport.fileno())
        self.detach()

    def tap(self, ring: CaptureRing | None) -> None:
        """Has a capture keep every datagram from now on, or none any more; nothing is spent on it meanwhile."""
        receive, send = self._receive, self._send = self._node.receive, self._transports.send
        if ring is None:
            return

        def receive_tapped(
            endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float = 0.0
        ) -> None:
            ring.received(endpoint, burst, segment_size, at=time())
            receive(endpoint, burst, segment_size, now=now, waited_s=waited_s)

        def send_tapped(transmits: list[Transmit]) -> Sequence[Transport]:
            ring.sent(transmits, at=time())
            return send(transmits)

        self._receive, self._send = receive_tapped, send_tapped

    def act(self, action: Callable[[float], None]) -> None:
        """Calls the node from outside the data path, with the time, and carries out what it wants done."""
        action(monotonic())
        self._node.arm()
        self._flush()
        self._arm(now=monotonic())

    # -- descriptors ---------------------------------------------------------------------------------------------------

    def _on_transport(self, transport: Transport) -> None:
        receive, has_delivered = self._receive, False
        for _ in range(READS_PER_WAKE):
            received = transport.receive()
            if received is None:
                self._backlog_s[transport] = 0.0
                now = monotonic()
                break
            data, segment_size, endpoint = received
            waited_s = transport.waited_s() if segment_size <= SHORT_BYTES else 0.0
            now = monotonic()  # not before: a wait that goes on after `now` could exceed a round trip that ends with it
            if transport.is_congested:
                self._node.neighbours.indices.note_congestion(data, segment_size)
            receive(endpoint, data, segment_size, now=now, waited_s=waited_s)
            if self._flush():
                has_delivered = True
            if transport.is_drained:
                self._backlog_s[transport] = inf  # unknown: a timer that comes before the next read has all read first
                break
        else:  # there may be more
            self._backlog_s[transport] = waited_s or transport.waited_s()
            if transport.holds_more():
                self._revisit(transport)
        if transport is self._backed_up and not transport.is_backed_up:
            self._resume_tun()
        if has_delivered and self._resume is None:
            self._on_tun()  # the kernel answers at once what it was handed: acknowledgements, echo replies
        else:
            self._arm(now=now)

    def _revisit(self, transport: Transport) -> None:
        """Reads on in the next round of the loop: the descriptor does not tell of what the transport holds."""
        waiting = self._revisits.pop(transport, None)
        if waiting is not None:
            waiting.cancel()
        self._revisits[transport] = self._loop.call_soon(self._on_transport, transport)

    def _on_tun(self) -> None:
        tun, batch = self._tun, self._batch
        assert tun is not None
        try:
            for _ in range(READS_PER_WAKE):
                if self._resume is not None or not tun.read_batch(batch):
                    now = monotonic()
                    break
                now = monotonic()
                self._node.send_packets(batch, now=now)
                self._flush()
                if tun.is_drained:
                    break
        except DeviceError:
            now = monotonic()
            self.detach()
            self._on_tun_lost()
        self._arm(now=now)

    def _flush(self) -> bool:
        """Carries out what is in the outbox, and clears it; tells whether packets were delivered."""
        outbox, has_delivered = self._outbox, False
        if outbox.deliveries and self._tun is not None:
            self._tun.write(outbox.deliveries)
            has_delivered = True
        if outbox.transmits:
            for transport in self._send(outbox.transmits):
                self._on_full(transport)
        events = list(outbox.events) if outbox.events else ()
        outbox.clear()
        for event in events:
            self._on_event(event)
        return has_delivered

    # -- a full transport ----------------------------------------------------------------------------------------------

    def _on_full(self, transport: Transport) -> None:
        if transport.is_backed_up:
            self._backed_up = transport
        else:
            self._loop.add_writer(transport.fileno(), self._on_writable, transport)
        if self._tun is not None and self._resume is None:
            self._loop.remove_reader(self._tun.fileno())
            self._resume = self._loop.call_later(TUN_PAUSE_S, self._end_pause)

    def _on_writable(self, transport: Transport) -> None:
        if self._transports.drain(transport):
            self._loop.remove_writer(transport.fileno())
            self._resume_tun()

    def _end_pause(self) -> None:
        """Ends a pause that has lasted long enough: what is still backed up must not use up those of other connections."""
        if self._backed_up is not None:
            self._backed_up.stop_waiting()
        self._resume_tun()

    def _resume_tun(self) -> None:
        if self._tun is not None and self._resume is not None:
            self._resume.cancel()
            self._resume = self._backed_up = None
            self._loop.add_reader(self._tun.fileno(), self._on_tun)

    # -- the one timer -------------------------------------------------------------------------------------------------

    def _arm(self, *, now: float) -> None:
        """Sets the timer for the node's next deadline. A timer that is set for an earlier time stays: it looks again then."""
        if self._transports.has_refusals():
            self._note_refusals(now=now)
        if self._route_changes or self._journal.newest != self._journal_seen:
            self._look_at_journal(now=now)
        deadline = min(self._node.next_deadline(), self._transports.next_deadline())
        if deadline < self._armed_for:
            if self._timer is not None:
                self._timer.cancel()
            self._armed_for = max(deadline, now)  # a deadline in the past makes no late timer
            self._timer = self._loop.call_later(self._armed_for - now, self._on_timer)

    def _note_refusals(self, *, now: float) -> None:
        """Tells the node what could not be sent: it has other paths, or shorter datagrams."""
        oversize, unreachable = self._transports.take_oversize(), self._transports.take_unreachable()
        for endpoint, size in oversize:
            self._node.datagram_refused(endpoint, size, now=now)
        for endpoint, cause in (unreachable | self._transports.take_refused()).items():
            self._node.undelivered(endpoint, cause, now=now)
        for endpoint, cause in unreachable.items():
            self._node.host_lost(Lost(endpoint=endpoint, cause=cause), now=now)
        if unreachable or oversize:
            self._flush()

    def _look_at_journal(self, *, now: float) -> None:
        if self._route_changes:
            self._node.note_route_changes(now=now)
        if self._journal.newest != self._journal_seen:
            self._journal_seen = self._journal.newest
            self._on_journal()

    def _catch_up(self, transports: Iterable[Transport]) -> None:
        """Reads what has arrived while this process was busy: answers that seem to be missing may be among it."""
        rounds = ROUNDS_TO_CATCH_UP + DATAGRAMS_OF_LINK * len(self._node.links) // READS_PER_WAKE
        until = monotonic() + CATCH_UP_S
        for transport in transports:
            for count in range(1, rounds + 1):
                self._on_transport(transport)
                is_late = count >= ROUNDS_TO_CATCH_UP and monotonic() > until
                if is_late or self._backlog_s[transport] <= BACKLOG_S:
                    break

    def _on_timer(self) -> None:
        now = monotonic()
        late_s = now - self._armed_for
        self._armed_for = -inf  # nothing is armed until all is done
        try:
            self._handle_timeout(late_s, now=now)
        except Exception:
            # A fault of this program, which asyncio logs. A node without a timer would be dead to its neighbours.
            self._armed_for = now + RETRY_S
            self._timer = self._loop.call_later(RETRY_S, self._on_timer)
            raise
        self._armed_for = inf
        self._arm(now=monotonic())

    def _handle_timeout(self, late_s: float, *, now: float) -> None:
        behind = self._transports.transports
        if late_s <= LATE_S:  # the event loop has looked at the others in time
            behind = tuple(transport for transport, backlog_s in self._backlog_s.items() if backlog_s > BACKLOG_S)
        if behind:
            self._catch_up(behind)
            now = monotonic()  # what has been read came later than the timer
        if self._sleep.has_slept(slept_s(), late_s):
            self._node.resumed(now=now)
        if self._clock.was_set_forward(clock_offset_s()):
            drop_keys(self._node, now=now)
        self._node.handshakes.set_clock(time(), now=now)  # an operator or NTP may have set it
        self._transports.handle_timeout(self._node.endpoints_in_use, now=now)
        if self._node.next_deadline() <= now:
            self._node.handle_timeout(now=now)
        self._flush()
