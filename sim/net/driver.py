"""Drives one node in virtual time, as `mycelium/daemon/driver.py` drives one on a real host.

What every driver owes its node:

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

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from mycelium.endpoint import Endpoint
from mycelium.node.node import Node
from mycelium.outbox import (
    BeaconDue,
    EchoAnswered,
    Event,
    GsoLimited,
    IndicesChanged,
    JoinAsked,
    KnockDue,
    LeaseEvent,
    ResolvePeer,
)
from mycelium.packet.batch import PacketBatch
from mycelium.wire.train import ITEM_HEADER_BYTES

from .events import NEVER, EventHeap
from .run_log import RECEIVE, WAKE, RunLog

TIMER_RUNS: Final = 50  # of one node at one instant; more of them mean that its deadlines make no progress

Packet = tuple[bytes, int, int]  # an IPv6 packet, its item flags, its segment size


class Surroundings(Protocol):
    """The host, as the driver of its node needs it."""

    index: int  # in the run log

    def transmit(self, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        """Sends `data` in datagrams of `segment_size` bytes; the last can be shorter."""

    def deliver(self, packets: list[Packet]) -> None:
        """Takes packets that the node has written to its TUN device."""

    def resolve(self, url: str) -> list[Endpoint]:
        """Returns the endpoints of a configured peer."""

    def send_beacons(self) -> None:
        """Sends a beacon on every interface."""

    def serve_lease(self, event: LeaseEvent) -> None:
        """Opens or closes a leased port, or passes on between two addresses what they send there, as a kernel does."""

    def knock(self, due: KnockDue) -> None:
        """Sends a datagram from a port that nothing else is sent from."""

    def take_echo(self, answer: EchoAnswered) -> None:
        """Takes the answer to a request for an echo."""

    def called(self) -> None:
        """Called after each call of the node, once its outbox is empty."""


class VirtualDriver:
    """Drives one node from its start to its stop."""

    __slots__ = (
        "_armed_for",
        "_batch",
        "_heap",
        "_host",
        "_is_stopped",
        "_log",
        "_ran_at",
        "_runs",
        "node",
        "starved_until",
    )

    def __init__(self, node: Node, host: Surroundings, *, heap: EventHeap, log: RunLog, batch: PacketBatch) -> None:
        self.node = node
        self._host = host
        self._heap = heap
        self._log = log
        self._batch = batch
        self._armed_for = NEVER
        self.starved_until = 0.0  # end of the current suspension
        self._is_stopped = False
        self._ran_at = 0.0
        self._runs = 0

    def act(self, call: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Calls a method of the node with the time, and does what it wants done; does nothing once stopped."""
        if not self._is_stopped:
            call(*arguments, **named, now=self._heap.now)
            self.node.arm()
            self.flush()

    def receive(self, source: Endpoint, data: bytes, segment_size: int, arrived_at: float) -> None:
        """Hands over datagrams of one sender, `segment_size` bytes each; the last can be shorter."""
        if self._is_stopped:
            return
        now = self._heap.now
        if self.starved_until > now:
            self._heap.at(self.starved_until, self.receive, source, data, segment_size, arrived_at)
            return
        self._log.note(RECEIVE, self._host.index, segment_size, len(data), now=now)
        burst = memoryview(bytearray(data))
        self.node.receive(source, burst, min(segment_size, len(data)), now=now, waited_s=now - arrived_at)
        self.flush()

    def send_packets(self, packets: Sequence[Packet]) -> None:
        """Hands over packets of local applications, as one read of the TUN device."""
        if self._is_stopped:
            return
        if self.starved_until > self._heap.now:
            self._heap.at(self.starved_until, self.send_packets, packets)
            return
        batch, end = self._batch, 0
        batch.slots.clear()
        for packet, flags, segment_size in packets:
            start = end + ITEM_HEADER_BYTES
            end = start + len(packet)
            batch.buffer[start:end] = packet
            batch.slots.append((start, end, flags, segment_size))
        self.node.send_packets(batch, now=self._heap.now)
        self.flush()

    def starve(self, seconds: float) -> None:
        """Suspends the process: what arrives waits, and the timer is late."""
        self.starved_until = max(self.starved_until, self._heap.now + seconds)

    def close(self) -> None:
        """Says goodbye to the neighbours and stops."""
        self.node.close(now=self._heap.now)
        self._drain()
        self.stop()

    def stop(self) -> None:
        """Stops silently."""
        self._is_stopped = True

    def flush(self) -> None:
        """Does what is owed to the node after a call."""
        outbox = self.node.outbox
        while outbox.transmits or outbox.events or outbox.deliveries:
            self._drain()
        self._host.called()
        self._arm(self.node.next_deadline())

    def _drain(self) -> None:
        outbox, host = self.node.outbox, self._host
        for endpoint, buffers, segment_size, *_ in outbox.transmits:
            host.transmit(endpoint, b"".join(buffers), segment_size)
        delivered = [(bytes(packet), flags, segment_size) for packet, flags, segment_size in outbox.deliveries]
        events = list(outbox.events)
        outbox.clear()
        for event in events:
            self._answer(event)
        if delivered:
            host.deliver(delivered)

    def _answer(self, event: Event) -> None:
        match event:
            case ResolvePeer():
                self.node.peer_resolved(event.url, self._host.resolve(event.url), now=self._heap.now)
            case BeaconDue():
                self._host.send_beacons()
            case IndicesChanged() | JoinAsked() | GsoLimited():
                pass  # a virtual wire has no queue that strangers could fill, nobody is invited, and there is no kernel
            case KnockDue():
                self._host.knock(event)
            case EchoAnswered():
                self._host.take_echo(event)
            case _:
                self._host.serve_lease(event)

    def _arm(self, deadline: float) -> None:
        if deadline < self._armed_for:
            self._armed_for = deadline = max(deadline, self._heap.now)
            self._heap.at(deadline, self._on_timer, deadline)

    def _on_timer(self, armed_for: float) -> None:
        now = self._heap.now
        if self._is_stopped or self._armed_for != armed_for:
            return
        self._armed_for = NEVER
        if self.starved_until > now:
            self._heap.at(self.starved_until, self._arm, self.starved_until)  # after all that arrives until then
            return
        deadline = self.node.next_deadline()
        if deadline > now:
            self._arm(deadline)
            return
        self._runs = self._runs + 1 if self._ran_at == now else 0
        self._ran_at = now
        assert self._runs < TIMER_RUNS, f"the timer of host {self._host.index} spins"
        self._log.note(WAKE, self._host.index, -1, self.node.routing.forwarding.version, now=now)
        self.node.handle_timeout(now=now)
        self.flush()
