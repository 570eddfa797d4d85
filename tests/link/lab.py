"""Two links in memory and virtual time, a's to b and b's to a, whose conversation a test writes down as a trace.

    lab = LinkLab()
    lab.run(1)                      # their handshake, and the first probes
    lab.send("a", b"data")          # a data frame
    lab.run(0.01)
    assert lab.heard("b") == [b"data"]
    lab.cut("a", "b")               # datagrams from address a to address b are lost
    lab.run(1)
    assert lab.told("a") == ["up", "suspect", "down: silent"]

Each end has an underlay address of its name, and may have others: a wire exists between any two.
"""

import heapq
import random
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Final

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.link_handshake import LinkInitiator, LinkResponder
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.budgets import LinkBudgets
from mycelium.link.counters import LinkCounters
from mycelium.link.events import (
    CostChanged,
    ItemsReceived,
    KeyProved,
    KeysRenewed,
    LinkDown,
    LinkEvent,
    LinkMoved,
    LinkSuspected,
    LinkTrusted,
    LinkUp,
    NeighbourReset,
)
from mycelium.link.handshakes import Completed
from mycelium.link.link import Link
from mycelium.outbox import Outbox
from mycelium.routing.excess import Excesses
from mycelium.wire.datagram import HANDSHAKE_3, SUITE_CHACHA20_POLY1305
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import DATA, TRAIN_HEADER, TRAIN_HEADER_BYTES
from sim.net.repeatable_crypto import RepeatablePrimitives

PORT: Final = 9651
DELAY_S: Final = 0.005
TIMER_RUNS: Final = 50  # of one link at one instant; more of them mean that its deadlines do not move on

_WORDS: Final[dict[type[LinkEvent], str]] = {
    LinkUp: "up",
    LinkSuspected: "suspect",
    LinkTrusted: "trusted",
    CostChanged: "cost",
    NeighbourReset: "reset",
    KeyProved: "proved",
    KeysRenewed: "keys",
    ItemsReceived: "items",
}


def endpoint(host: str) -> Endpoint:
    """Returns an address of the lab's underlay."""
    return Endpoint("udp", host, PORT)


def word(event: LinkEvent) -> str:
    """Returns an event in a word or two."""
    if isinstance(event, LinkDown):
        return f"down: {event.cause}"
    if isinstance(event, LinkMoved):
        return f"moved to {event.after.host}"
    return _WORDS[type(event)]


class LinkEnd:
    """One end: its link, once a handshake has completed, and what it has heard and reported."""

    def __init__(self, lab: "LinkLab", name: str, peer: str) -> None:
        self.name = name
        self.peer = peer
        self.address = name  # that it sends from
        self.lab = lab
        self.rng = random.Random(f"{name}/{lab.seed}")
        self.identity = Identity(name.encode() * 32)
        self.instance = bytes(16)
        self.outbox = Outbox()
        self.events: list[LinkEvent] = []
        self.frames: list[bytes] = []  # bodies of data frames that were opened, in order
        self.timers: list[float] = []  # when the link was called
        self.armed: list[float] = []  # deadlines that the link asked for
        self.counters = LinkCounters()
        self.excesses = Excesses()
        self.prover = KeyProver(self.identity, RepeatablePrimitives())
        self.wanted_proof: bytes | None = None  # fingerprint of the ML-DSA key that the other end must prove
        self.is_starved = False
        self._link: Link | None = None
        self._responders: dict[int, LinkResponder] = {}
        self._indices = count(1 if name == "a" else 1_000)
        self._streams = count(1)
        self._due_at = float("inf")

    @property
    def link(self) -> Link:
        assert self._link is not None, f"{self.name} has no link yet"
        return self._link

    @property
    def config(self) -> HandshakeConfig:
        return HandshakeConfig(
            identity=self.identity,
            instance=self.instance,
            suites=SUITE_CHACHA20_POLY1305,
            entropy=self.rng.randbytes,
            primitives=RepeatablePrimitives(),
        )

    def shake_hands(self, peer: "LinkEnd", at: str) -> None:
        """Completes a handshake as its initiator: message 3 is on its way when this returns."""
        initiator = LinkInitiator(self.config, local_index=next(self._indices), pin=None, period=0)
        index = next(peer._indices)
        responder = peer._responders[index] = LinkResponder(peer.config, local_index=index)
        message_3, keys = initiator.receive_message_2(responder.receive_message_1(initiator.message_1))
        self.outbox.transmits.append((endpoint(at), [message_3], len(message_3), False, 0))
        self.adopt(Completed(keys, endpoint(at), message_3))

    def adopt(self, completed: Completed) -> None:
        """Gives the link another keypair, or makes one of it."""
        if self._link is not None:
            self._link.adopt(completed, now=self.lab.now)
            return
        self._link = Link(
            completed,
            name=completed.keys.peer_address,
            outbox=self.outbox,
            events=self.events,
            budgets=LinkBudgets(self.outbox, self.excesses, self.counters),
            prover=self.prover,
            wanted_proof=self.wanted_proof,
            counters=self.counters,
            new_stream=lambda: next(self._streams),
            entropy=self.rng.randbytes,
            arm=self._arm,
            now=self.lab.now,
        )

    def receive(self, source: Endpoint, data: bytes, segment_size: int, waited_s: float = 0.0) -> None:
        if data[0] == HANDSHAKE_3:
            self._receive_message_3(source, data)
            return
        burst = memoryview(bytearray(data))
        index = int.from_bytes(data[4:8], "big")
        if self._link is not None:
            self._hear(self._link.receive(index, source, burst, segment_size, waited_s=waited_s, now=self.lab.now))

    def _receive_message_3(self, source: Endpoint, data: bytes) -> None:
        responder = self._responders.pop(int.from_bytes(data[4:8], "big"), None)
        if responder is not None:  # else a copy
            self.adopt(Completed(responder.receive_message_3(data), source, None))

    def _hear(self, frames: list[memoryview]) -> None:
        self.frames += [bytes(frame[FRAME_HEADER.size + TRAIN_HEADER_BYTES :]) for frame in frames]

    def _arm(self, when: float) -> None:
        self.armed.append(when)
        self._due_at = when = max(when, self.lab.now)
        self.lab.at(when, partial(self._on_timer, when))

    def check_timer(self) -> None:
        """Checks that the link has asked for a call by the time that it needs one."""
        if self._link is not None and self._link.keypairs.by_index:  # it is not over
            needed = self._link.next_deadline()
            assert self._due_at <= max(needed, self.lab.now), (
                f"the timer of {self.name} is {self._due_at - needed} s late"
            )

    def _on_timer(self, when: float) -> None:
        if self._due_at != when:
            return
        if self.is_starved:
            self.lab.at(when + 0.001, partial(self._on_timer, when))
            return
        self._due_at = float("inf")
        self.timers.append(self.lab.now)
        assert self.timers[-TIMER_RUNS:].count(self.lab.now) < TIMER_RUNS, f"the timer of {self.name} spins"
        self._hear(self.link.handle_timeout(now=self.lab.now))


class LinkLab:
    """Both ends and the wires between them. `drop` sees each datagram: sending and receiving address, bytes.

    Message 3 of a's handshake is on its way at once; it is lost if `cuts` has its wire. An end in `wanted` has the other end
    prove the ML-DSA key with a fingerprint.
    """

    def __init__(
        self,
        *,
        delay_s: float = DELAY_S,
        seed: int = 0,
        cuts: Collection[tuple[str, str]] = (),
        wanted: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        self.now = 1_000.0
        self.seed = seed
        self.delay_s = delay_s
        self.delays_s: dict[tuple[str, str], float] = {}  # of wires that differ
        self.waits_s = dict.fromkeys("ab", 0.0)  # how long what has arrived waits for an end, which is told
        self.queue_s: Callable[[], float] = lambda: 0.0  # how much longer a datagram takes, as on busy hosts
        self.drop: Callable[[str, str, bytes], bool] = lambda source, destination, data: False
        self.sent: list[tuple[str, str, bytes]] = []  # every datagram
        self.local_addresses: dict[str, bytes] = {}  # as PKTINFO would tell, of the addresses that have one here
        self._cuts = set(cuts)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()
        self.ends = {name: LinkEnd(self, name, peer) for name, peer in ("ab", "ba")}
        self._owners = {name: self.ends[name] for name in "ab"}
        for name, fingerprint in wanted.items():
            self.ends[name].wanted_proof = fingerprint
        self.shake_hands("a")

    # -- what ends do --------------------------------------------------------------------------------------------------

    def link(self, name: str) -> Link:
        return self.ends[name].link

    def shake_hands(self, name: str, at: str | None = None) -> None:
        """Has an end complete a handshake, with the other end's address `at`: new keys, or a second path."""
        end = self.ends[name]
        end.shake_hands(self.ends[end.peer], at or self.ends[end.peer].address)
        self._drain()

    def send(self, name: str, data: bytes, *, bucket: int = 0) -> None:
        """Sends a data frame with one train of a flow bucket."""
        frames = self.link(name).frames
        frame, used = frames.reserve(TRAIN_HEADER_BYTES + len(data), 0, now=self.now)
        head = (64, 0, DATA, 0, bucket << 24 | len(data), 1, 1, bytes(16), bytes(16))
        TRAIN_HEADER.pack_into(frame, used, *head)
        frame[used + TRAIN_HEADER_BYTES : used + TRAIN_HEADER_BYTES + len(data)] = data
        frames.commit(now=self.now)
        self._drain()

    def act(self, call: Callable[..., object], *arguments: object, **named: object) -> None:
        """Calls a link, with the time, and carries out what it wants done."""
        call(*arguments, **named, now=self.now)
        self._drain()

    # -- what the network does -----------------------------------------------------------------------------------------

    def add_address(self, name: str, address: str, *, delay_s: float | None = None) -> None:
        """Gives an end another address, perhaps at another distance from all others."""
        self._owners[address] = self.ends[name]
        if delay_s is not None:
            for other in self._owners:
                self.delays_s[other, address] = self.delays_s[address, other] = delay_s

    def move(self, name: str, address: str) -> None:
        """Has an end send from another address, as behind a NAT that has restarted; nothing reaches the old one."""
        end = self.ends[name]
        self._owners = {known: owner for known, owner in self._owners.items() if owner is not end}
        self._owners[address] = end
        end.address = address

    def cut(self, source: str, destination: str) -> None:
        """Loses what is sent from one address to another, one way."""
        self._cuts.add((source, destination))

    def mend(self) -> None:
        """Ends all cuts."""
        self._cuts.clear()

    # -- what is seen --------------------------------------------------------------------------------------------------

    def told(self, name: str) -> list[str]:
        """Returns what the link of an end has reported since the last call."""
        events, self.ends[name].events[:] = list(self.ends[name].events), []
        return [word(event) for event in events]

    def heard(self, name: str) -> list[bytes]:
        """Returns the data that an end has received since the last call."""
        frames, self.ends[name].frames[:] = list(self.ends[name].frames), []
        return frames

    # -- time ----------------------------------------------------------------------------------------------------------

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._count), action))

    def run(self, seconds: float, *, until: Callable[[], bool] | None = None) -> float:
        """Lets time pass, at most until the condition holds; returns how much."""
        started, end = self.now, self.now + seconds
        while self._heap and self._heap[0][0] <= end and not (until is not None and until()):
            self.now, _, action = heapq.heappop(self._heap)
            action()
            self._drain()
        if until is None:
            self.now = end
        else:
            assert until(), f"not within {seconds} s"
        return self.now - started

    def settle(self, seconds: float) -> None:
        """Runs, and forgets what has been told and sent so far."""
        self.run(seconds)
        for name in self.ends:
            self.told(name)
        self.sent.clear()

    def _drain(self) -> None:
        for end in self.ends.values():
            end.check_timer()
            transmits = [(at, b"".join(buffers), size) for at, buffers, size, *_ in end.outbox.transmits]
            end.outbox.clear()
            for at, data, size in transmits:
                self._transmit(end, at.host, data, size)

    def _transmit(self, end: LinkEnd, destination: str, data: bytes, segment_size: int) -> None:
        arrived: list[bytes] = []
        for start in range(0, len(data), segment_size):
            datagram = data[start : start + segment_size]
            self.sent.append((end.address, destination, datagram))
            if (end.address, destination) not in self._cuts and not self.drop(end.address, destination, datagram):
                arrived.append(datagram)
        if arrived:
            delay_s = self.delays_s.get((end.address, destination), self.delay_s) + self.queue_s()
            burst, size = b"".join(arrived), len(arrived[0])
            self.at(self.now + delay_s, partial(self._arrive, end.address, destination, burst, size))

    def _arrive(self, source: str, destination: str, burst: bytes, segment_size: int) -> None:
        owner = self._owners.get(destination)
        if owner is not None:
            local = self.local_addresses.get(destination, b"")
            waited_s = self.waits_s[owner.name]
            receive = partial(owner.receive, endpoint(source)._replace(local=local), burst, segment_size, waited_s)
            if waited_s:
                self.at(self.now + waited_s, receive)
            else:
                receive()
