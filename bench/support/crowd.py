"""Thousands of neighbours of one node, in one process: whole nodes, each with a UDP socket at an address in a /64 of its own.

    python -m bench.support.crowd --hub fd00:0:0:1::2 --peers 1300

It does what each line of its input says, `join N`, `kill N`, `state` or `take`, and answers by a line of JSON: how many links
are up, and for `take` what has happened since the last one. What the hub tells of other nodes is dropped behind the links:
more than a thousand whole tables are too much for one processor, and for its memory.
"""

import argparse
import contextlib
import gc
import heapq
import json
import os
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from math import inf
from typing import Final

from msgspec.structs import replace as replaced

from mycelium.crypto.primitives import RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.identity import SEED_BYTES, Identity
from mycelium.link.events import ItemsReceived, LinkDown, LinkEvent, LinkSuspected
from mycelium.link.link import LinkState
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.outbox import ResolvePeer
from mycelium.wire.control import Digest, Resume, Resumed, Update
from mycelium.wire.datagram import HANDSHAKE_1, SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from tests.lab.daemon import PORT
from tests.lab.flood import sources

SETTINGS: Final = NodeSettings(suites=SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305, shortcuts=False)
READS: Final = 64  # of one socket, before others have their turn
BUFFER_BYTES: Final = 1 << 16
SOCKET_BYTES: Final = 1 << 20  # the kernel's buffer of each socket
STARTING_S: Final = 0.01  # in a row, for which those wait that have been started
IDLE_S: Final = 0.5  # the longest that the input waits


class Happenings:
    """What the links of the crowd, and their handshakes, did."""

    def __init__(self) -> None:
        self.suspected = self.down = self.dialled_by_hub = 0
        self.dialled: Counter[int] = Counter()  # first messages of handshakes sent, by the second

    def summary(self) -> dict[str, int]:
        """Returns totals, and the most of what there was in one second."""
        dialled = self.dialled
        most = max(dialled.values(), default=0)
        of_links = {"suspected": self.suspected, "down": self.down}
        return of_links | {"dialled": dialled.total(), "most": most, "dialled_by_hub": self.dialled_by_hub}


class Peer:
    """One node, which keeps a link with the hub while it has a socket."""

    def __init__(self, crowd: "Crowd", host: str) -> None:
        self.host = host
        self.identity = Identity(os.urandom(SEED_BYTES))
        self.armed_for = inf
        self._crowd = crowd
        self.socket: socket.socket | None = None
        self.node: Node | None = None
        self.epoch = int(time.time())

    def start(self) -> None:
        """Starts the node, which dials the hub at once."""
        crowd, now = self._crowd, time.monotonic()
        self.epoch = max(self.epoch + 1, int(time.time()))
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self.socket.bind((self.host, 0))
        crowd.poll.register(self.socket, select.EPOLLIN)
        crowd.by_descriptor[self.socket.fileno()] = self
        self.node = Node(
            self.identity,
            settings=SETTINGS,
            epoch=self.epoch,
            entropy=os.urandom,
            rng=random.Random(),
            primitives=crowd.primitives,
            now=now,
        )
        self.node.neighbours.sift = self._of_the_hub
        self.node.handshakes.set_clock(time.time(), now=now)
        self.node.add_peer(f"udp://[{crowd.hub.host}]:{crowd.hub.port}", now=now)
        self.flush()

    def kill(self) -> None:
        """Ends without a word."""
        assert self.socket is not None
        del self._crowd.by_descriptor[self.socket.fileno()]
        self.socket.close()
        self.socket = self.node = None

    @property
    def is_up(self) -> bool:
        """Whether its link is up, and the hub has introduced itself."""
        node = self.node
        return node is not None and any(
            link.state is LinkState.UP and node.routing.resolve(link.address) for link in node.links.values()
        )

    def _of_the_hub(self, events: Iterable[LinkEvent], *, now: float) -> Iterator[LinkEvent]:
        """Yields what happens to the link, and what the hub says of itself."""
        seen = self._crowd.seen
        for event in events:
            seen.suspected += isinstance(event, LinkSuspected)
            seen.down += isinstance(event, LinkDown)
            if isinstance(event, ItemsReceived):
                kept = [
                    item
                    for item in event.items
                    if not isinstance(item, Digest | Resume | Resumed)
                    and (not isinstance(item, Update) or item.node == event.neighbour)
                ]
                yield replaced(event, items=kept)
            else:
                yield event

    def receive(self) -> None:
        """Takes what has come in."""
        buffer, hub = self._crowd.buffer, self._crowd.hub
        for _ in range(READS):
            if self.socket is None or self.node is None:
                return
            try:
                length = self.socket.recv_into(buffer)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._crowd.seen.dialled_by_hub += buffer[0] == HANDSHAKE_1
            self.node.receive(hub, buffer[:length], length, now=time.monotonic())
            self.flush()

    def handle_timeout(self) -> None:
        """Does what is due."""
        self.armed_for = inf
        if self.node is not None:
            now = time.monotonic()
            if self.node.next_deadline() <= now:
                self.node.handle_timeout(now=now)
            self.flush()

    def flush(self) -> None:
        """Does what is owed to the node after a call (`mycelium/daemon/driver.py`)."""
        node, crowd = self.node, self._crowd
        assert node is not None
        outbox = node.outbox
        while outbox.transmits or outbox.events:
            for _, buffers, size, *_ in outbox.transmits:
                data = b"".join(buffers)
                for start in range(0, len(data), size):
                    self._send(data[start : start + size])
            events = list(outbox.events)
            outbox.clear()
            for event in events:
                if isinstance(event, ResolvePeer):
                    node.peer_resolved(event.url, [crowd.hub], now=time.monotonic())
        node.routing.changes.clear()
        deadline = node.next_deadline()
        if deadline < self.armed_for:
            self.armed_for = deadline
            heapq.heappush(crowd.deadlines, (deadline, id(self), self))

    def _send(self, datagram: bytes) -> None:
        if datagram[0] == HANDSHAKE_1:
            self._crowd.seen.dialled[int(time.monotonic())] += 1
        with contextlib.suppress(OSError):
            assert self.socket is not None
            self.socket.sendto(datagram, self._crowd.there)


class Crowd:
    """All of them, and the loop that drives them."""

    def __init__(self, hub: str, count: int) -> None:
        self.hub = Endpoint("udp", hub, PORT)
        self.there = hub, PORT
        self.primitives = RealPrimitives()
        self.poll = select.epoll()
        self.by_descriptor: dict[int, Peer] = {}
        self.deadlines: list[tuple[float, int, Peer]] = []
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.peers = [Peer(self, host) for host, _ in zip(sources(), range(count), strict=False)]
        self.waiting: list[Peer] = []  # to be started, the next one last
        self.seen = Happenings()
        self.poll.register(sys.stdin, select.EPOLLIN)

    def run(self) -> None:
        """Drives them until the end of the input."""
        while True:
            for descriptor, _ in self.poll.poll(self._wait_s()):
                if descriptor == sys.stdin.fileno():
                    line = sys.stdin.readline()
                    if not line:
                        return
                    print(json.dumps(self._do(*line.split())), flush=True)
                elif (peer := self.by_descriptor.get(descriptor)) is not None:
                    peer.receive()
            now = time.monotonic()
            while self.waiting and time.monotonic() < now + STARTING_S:
                self.waiting.pop().start()
            while self.deadlines and self.deadlines[0][0] <= now:
                deadline, _, peer = heapq.heappop(self.deadlines)
                if deadline == peer.armed_for:
                    peer.handle_timeout()

    def _wait_s(self) -> float:
        if self.waiting:
            return 0.0
        return min(max(self.deadlines[0][0] - time.monotonic(), 0.0), IDLE_S) if self.deadlines else IDLE_S

    def _do(self, order: str, count: str = "0") -> dict[str, int]:
        """Carries out an order; returns how many links are up, and, with `take`, what happened since that was last asked."""
        if order == "join":
            self.waiting = [peer for peer in reversed(self.peers[: int(count)]) if peer.node is None]
        elif order == "kill":
            for peer in [peer for peer in self.peers if peer.node is not None][: int(count)]:
                peer.kill()
        answer = {"up": sum(peer.is_up for peer in self.peers)}
        if order == "take":
            answer |= self.seen.summary()
            self.seen = Happenings()
        return answer


def main() -> None:
    """Runs a crowd."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hub", required=True, metavar="ADDRESS", help="IPv6, numeric")
    parser.add_argument("--peers", type=int, required=True)
    given = parser.parse_args()
    gc.disable()  # a collection over so many nodes stands still for longer than links wait
    Crowd(given.hub, given.peers).run()


if __name__ == "__main__":
    main()
