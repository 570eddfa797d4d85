"""What a driver owes its node, on a node that records its calls."""

from typing import Any

import pytest

from mycelium.endpoint import Endpoint
from mycelium.outbox import BeaconDue, EchoAnswered, KnockDue, LeaseClosed, LeaseEvent, Outbox, ResolvePeer
from mycelium.packet.batch import PacketBatch
from mycelium.wire.train import ITEM_HEADER_BYTES
from sim.net.driver import Packet, VirtualDriver
from sim.net.events import NEVER, EventHeap
from sim.net.run_log import RunLog

THERE = Endpoint("udp", "there", 1)


class RecordingNode:
    """Stands in for a node: records calls, and wants done what a test puts into its outbox meanwhile."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.calls: list[tuple[float, str, Any]] = []
        self.deadline = NEVER
        self.wanted: list[bytes] = []  # sent by the next call
        self.routing: Any = self
        self.forwarding: Any = self
        self.version = 0

    def arm(self) -> None:
        pass

    def next_deadline(self) -> float:
        return self.deadline

    def handle_timeout(self, *, now: float) -> None:
        self.deadline = NEVER
        self.note("timeout", None, now=now)

    def receive(
        self, endpoint: Endpoint, data: memoryview, segment_size: int, *, now: float, waited_s: float = 0.0
    ) -> None:
        self.note("receive", (bytes(data), segment_size, waited_s), now=now)

    def send_packets(self, batch: PacketBatch, *, now: float) -> None:
        slots, room = batch.slots, ITEM_HEADER_BYTES
        assert [start for start, *_ in slots] == [room, *(end + room for _, end, *_ in slots[:-1])]
        self.note("send", [(bytes(batch.buffer[start:end]), *rest) for start, end, *rest in slots], now=now)

    def peer_resolved(self, url: str, endpoints: list[Endpoint], *, now: float) -> None:
        assert not self.outbox.events, "an event is answered after the outbox has been cleared"
        self.note("resolved", (url, endpoints), now=now)

    def close(self, *, now: float) -> None:
        self.note("close", None, now=now)

    def note(self, what: str, details: Any, *, now: float) -> None:
        self.calls.append((now, what, details))
        self.outbox.transmits += [(THERE, [data], len(data), False, 0) for data in self.wanted]
        self.wanted = []


KNOCK = KnockDue(Endpoint("udp", "there", 1), b"knock")
ECHO = EchoAnswered(token=b"token", by=b"node", rtt_s=0.01, hops=1, error=None)


class RecordingHost:
    """Stands in for a host: records what the driver asks of it."""

    index = 7

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []

    def transmit(self, endpoint: Endpoint, data: bytes, segment_size: int) -> None:
        self.done.append(("transmit", (endpoint, data, segment_size)))

    def deliver(self, packets: list[Packet]) -> None:
        self.done.append(("deliver", packets))

    def resolve(self, url: str) -> list[Endpoint]:
        return [THERE]

    def send_beacons(self) -> None:
        self.done.append(("beacons", None))

    def serve_lease(self, event: LeaseEvent) -> None:
        self.done.append(("lease", event))

    def knock(self, due: KnockDue) -> None:
        self.done.append(("knock", due))

    def take_echo(self, answer: EchoAnswered) -> None:
        self.done.append(("echo", answer))

    def called(self) -> None:
        self.done.append(("called", None))


class Bench:
    """A driver between the two, at the time 10."""

    def __init__(self) -> None:
        self.heap = EventHeap(now=10.0)
        self.node = RecordingNode()
        self.host = RecordingHost()
        node: Any = self.node
        self.driver = VirtualDriver(node, self.host, heap=self.heap, log=RunLog(), batch=PacketBatch())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_after_a_call_all_that_the_node_wants_is_done_and_the_outbox_is_empty(bench: Bench) -> None:
    outbox = bench.node.outbox
    outbox.deliveries.append((memoryview(b"packet"), 1, 2))
    outbox.events += [ResolvePeer("udp://there:1"), BeaconDue(), LeaseClosed(3), KNOCK, ECHO]
    bench.node.wanted = [b"ab", b"c"]
    bench.driver.act(bench.node.note, "call", None)
    assert bench.host.done == [
        ("transmit", (THERE, b"ab", 2)),
        ("transmit", (THERE, b"c", 1)),
        ("beacons", None),
        ("lease", LeaseClosed(3)),
        ("knock", KNOCK),
        ("echo", ECHO),
        ("deliver", [(b"packet", 1, 2)]),
        ("called", None),
    ]
    assert [what for _, what, _ in bench.node.calls] == ["call", "resolved"]
    assert (outbox.transmits, outbox.deliveries, outbox.events) == ([], [], [])


def test_what_an_answer_makes_the_node_want_is_done_too(bench: Bench) -> None:
    bench.node.outbox.events.append(ResolvePeer("udp://there:1"))
    bench.node.wanted = [b"dial"]
    bench.driver.flush()
    assert ("transmit", (THERE, b"dial", 4)) in bench.host.done


def test_the_timer_fires_at_the_deadline_and_at_an_earlier_one_that_a_call_sets(bench: Bench) -> None:
    bench.node.deadline = 13.0
    bench.driver.flush()
    bench.node.deadline = 12.0
    bench.driver.receive(THERE, b"abc", 2, 10.0)
    bench.heap.run(20.0)
    assert bench.node.calls == [(10.0, "receive", (b"abc", 2, 0.0)), (12.0, "timeout", None)]


def test_a_deadline_that_has_moved_on_is_not_handled_early(bench: Bench) -> None:
    bench.node.deadline = 12.0
    bench.driver.flush()
    bench.node.deadline = 15.0
    bench.heap.run(20.0)
    assert bench.node.calls == [(15.0, "timeout", None)]


def test_packets_of_applications_are_one_batch(bench: Bench) -> None:
    bench.driver.send_packets([(b"one", 0, 0), (b"three", 1, 2)])
    bench.node.wanted = [b"train"]
    bench.driver.send_packets([(b"two", 0, 0)])
    assert ("transmit", (THERE, b"train", 5)) in bench.host.done
    assert [details for _, _, details in bench.node.calls] == [[(b"one", 0, 0), (b"three", 1, 2)], [(b"two", 0, 0)]]


def test_a_suspended_process_reads_what_has_waited_before_its_late_timer(bench: Bench) -> None:
    bench.node.deadline = 10.5
    bench.driver.flush()
    bench.driver.starve(1.0)
    bench.heap.at(10.25, bench.driver.receive, THERE, b"early", 5, 10.25)
    bench.heap.at(10.75, bench.driver.receive, THERE, b"late", 4, 10.75)
    bench.heap.at(10.75, bench.driver.send_packets, [(b"packet", 0, 0)])
    bench.heap.run(20.0)
    assert bench.node.calls == [
        (11.0, "receive", (b"early", 5, 0.75)),
        (11.0, "receive", (b"late", 4, 0.25)),
        (11.0, "send", [(b"packet", 0, 0)]),
        (11.0, "timeout", None),
    ]


def test_a_goodbye_is_sent_and_nothing_is_called_afterwards(bench: Bench) -> None:
    bench.node.deadline = 12.0
    bench.driver.flush()
    bench.node.wanted = [b"bye"]
    bench.driver.close()
    assert ("transmit", (THERE, b"bye", 3)) in bench.host.done
    bench.driver.receive(THERE, b"abc", 3, 10.0)
    bench.driver.send_packets([(b"packet", 0, 0)])
    bench.driver.act(bench.node.note, "call", None)
    bench.heap.run(20.0)
    assert [what for _, what, _ in bench.node.calls] == ["close"]


def test_deadlines_that_make_no_progress_are_an_error(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.node, "next_deadline", lambda: 12.0)
    bench.driver.flush()
    with pytest.raises(AssertionError, match="host 7 spins"):
        bench.heap.run(13.0)
