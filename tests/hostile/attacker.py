"""A node of an attacker: ours with keys of its own, over real UDP, which sends on its link whatever the attacker likes.

It answers as any node does, so that its neighbour keeps the link. What it forges besides is sealed under the keys of the link.
"""

import contextlib
import ipaddress
import os
import random
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from mycelium.admin.network_file import NetworkFile
from mycelium.crypto.primitives import RealPrimitives
from mycelium.daemon.node_settings import OPEN_NETWORK
from mycelium.endpoint import Endpoint
from mycelium.identity import SEED_BYTES, Identity
from mycelium.link.frames import FRAME_HEADER_BYTES
from mycelium.link.link import Link, LinkState
from mycelium.node.announcing import announce
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.outbox import ResolvePeer
from mycelium.wire.announcement import EPOCH_SHIFT, Announcement, Prefix
from mycelium.wire.control import Item, Update, encode_item
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305
from mycelium.wire.distance import distance
from mycelium.wire.frame import CONTROL, CONTROL_HEADER
from mycelium.wire.membership import pieces_of
from tests.lab.waiting import wait_until

SETTINGS: Final = NodeSettings(suites=SUITE_AES_256_GCM | SUITE_CHACHA20_POLY1305, shortcuts=False)
SEQUENCE: Final = 1 << EPOCH_SHIFT
SEGMENT_BYTES: Final = 1_100  # of control messages in one frame, which fits one datagram
READS_PER_TURN: Final = 64
ACTS_PER_TURN: Final = 64
TURN_S: Final = 1e-3  # the longest time between two looks at what comes in
LINKED_S: Final = 30.0
BUFFER_BYTES: Final = 4 << 20


class Attacker:
    """One node with one link, to the port of the victim; `here` is a numeric address of this host, empty for any.

    In a network of members it has the key of an admitted one, by its `seed`.
    """

    def __init__(
        self, there: tuple[str, int], *, here: str = "", network: NetworkFile = OPEN_NETWORK, seed: bytes = b""
    ) -> None:
        family = socket.AF_INET6 if ":" in there[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.bind((here, 0))
        self.identity = Identity(seed or os.urandom(SEED_BYTES))
        self.credentials = network.credentials
        self._shown_to: Link | None = None
        self.node = Node(
            self.identity,
            settings=replace(SETTINGS, psk=network.key),
            epoch=int(time.time()),
            entropy=os.urandom,
            rng=random.Random(),
            primitives=RealPrimitives(),
            now=time.monotonic(),
        )
        self.friends: list[Attacker] = []  # other nodes of the same attacker, which behave while this one does
        self.there = there
        self._repeated = 0  # of the segments under way, the one repeated last
        self._endpoint = Endpoint("udp", *there)
        self.node.add_peer(f"udp://{f'[{there[0]}]' if ':' in there[0] else there[0]}:{there[1]}", now=time.monotonic())
        self._flush()

    @property
    def address(self) -> str:
        """The overlay address, as events name it."""
        return str(ipaddress.IPv6Address(self.identity.address))

    @property
    def link(self) -> Link:
        """The link with the victim."""
        return next(iter(self.node.links.values()))

    def wait_linked(self) -> None:
        """Behaves until the link is up and the victim has introduced itself."""

        def is_linked() -> bool:
            self.turn()
            links = self.node.links.values()
            self._show_certificates()
            return any(one.state is LinkState.UP and self.node.routing.resolve(one.address) for one in links)

        wait_until(is_linked, LINKED_S, "the attacker has a link", every_s=TURN_S)

    def _show_certificates(self) -> None:
        up = [one for one in self.node.links.values() if one.state is LinkState.UP]
        if self.credentials is not None and up and self._shown_to is not up[0]:
            self._shown_to = up[0]
            up[0].send_items(pieces_of(self.credentials.chain), now=time.monotonic())

    def behave(self, seconds: float) -> None:
        """Does what any node does, for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            select.select([self.socket], [], [], min(left, TURN_S))
            self.turn()

    def befriend(self) -> "Attacker":
        """Returns another node of the same attacker, with a link of its own."""
        friend = Attacker(self.there)
        self.friends.append(friend)
        friend.wait_linked()
        return friend

    def turn(self) -> None:
        """Takes what has come in, and does what is due."""
        for friend in self.friends:
            friend.turn()
        for _ in range(READS_PER_TURN):
            try:
                datagram = self.socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except (BlockingIOError, ConnectionRefusedError):
                break
            self.node.receive(self._endpoint, memoryview(bytearray(datagram)), len(datagram), now=time.monotonic())
            self._flush()
        if self.node.next_deadline() <= time.monotonic():
            self.node.handle_timeout(now=time.monotonic())
            self._flush()

    def flood(self, act: Callable[[], None], *, per_second: float, seconds: float) -> int:
        """Acts at a rate, as far as this process keeps up, and behaves besides; returns how often it acted."""
        begin, acted = time.monotonic(), 0
        while (elapsed := time.monotonic() - begin) < seconds:
            owed = min(int(elapsed * per_second) + 1 - acted, ACTS_PER_TURN)
            for _ in range(owed):
                act()
                self._flush()
            acted += max(owed, 0)
            self.turn()
            if owed <= 0:
                select.select([self.socket], [], [], TURN_S)
        return acted

    def close(self) -> None:
        """Falls silent."""
        for one in (*self.friends, self):
            one.socket.close()

    # -- what it sends -------------------------------------------------------------------------------------------------

    def send(self, kind: int, body: bytes) -> None:
        """Seals a frame with any body; `flood` and `turn` let it leave."""
        plain = memoryview(bytearray(FRAME_HEADER_BYTES + len(body)))
        plain[FRAME_HEADER_BYTES:] = body
        self.link.frames.send(kind, plain, wants_ack=False, now=time.monotonic())

    def send_segment(self, stream: int, number: int, messages: bytes = b"") -> None:
        """Sends one segment of a control stream of any number, acknowledging nothing."""
        self.send(CONTROL, CONTROL_HEADER.pack(stream, number, 0, 0, 0) + messages)

    def say(self, messages: bytes) -> None:
        """Says control messages in order, or what the victim has not acknowledged once more: always something."""
        channel = self.link._control._channel
        if not channel._has_window:
            self._repeated = (self._repeated + 1) % len(channel._in_flight)
            segment = list(channel._in_flight.values())[self._repeated]
            self.send(CONTROL, channel._encode(segment.number, segment.payload))
            return
        if channel.queued_bytes < BUFFER_BYTES:
            channel.send(messages)
        self.link._control.flush(now=time.monotonic())

    def deliver(self, segments: Sequence[bytes], *, seconds: float) -> None:
        """Says control messages, and returns once the victim has acknowledged them all."""
        waiting = list(reversed(segments))
        channel = self.link._control._channel

        def is_delivered() -> bool:
            while waiting and channel.queued_bytes < BUFFER_BYTES:
                channel.send(waiting.pop())
            self.link._control.flush(now=time.monotonic())
            self._flush()
            self.turn()
            return not waiting and not channel.queued_bytes

        wait_until(is_delivered, seconds, "the victim has taken it all", every_s=TURN_S)

    def _flush(self) -> None:
        outbox = self.node.outbox
        while outbox.transmits or outbox.events:
            for _, buffers, size, *_ in outbox.transmits:
                data = b"".join(buffers)
                for start in range(0, len(data), size):
                    self._send_datagram(data[start : start + size])
            events = list(outbox.events)
            outbox.clear()
            for event in events:
                if isinstance(event, ResolvePeer):
                    self.node.peer_resolved(event.url, [self._endpoint], now=time.monotonic())
        outbox.clear()

    def _send_datagram(self, datagram: bytes) -> None:
        with contextlib.suppress(ConnectionRefusedError):
            self.socket.sendto(datagram, self.there)


# -- what it says ------------------------------------------------------------------------------------------------------


def segments_of(items: Sequence[Item]) -> list[bytes]:
    """Returns control messages as segments of frames."""
    segments = [b""]
    for message in map(encode_item, items):
        if len(segments[-1]) + len(message) > SEGMENT_BYTES:
            segments.append(b"")
        segments[-1] += message
    return segments


def made_up(count: int) -> list[Identity]:
    """Returns nodes that nobody runs."""
    return [Identity(os.urandom(SEED_BYTES)) for _ in range(count)]


def introduction(
    identity: Identity, *, sequence: int = SEQUENCE, metric: int = 1, prefixes: tuple[Prefix, ...] = ()
) -> Update:
    """Returns the update that brings a node, signed by it."""
    signed = announce(identity, replace(SETTINGS, prefixes=prefixes), sequence)
    return Update(identity.address, distance(sequence, metric), signed)


def forged(identity: Identity) -> Update:
    """Returns an update that brings a node with a signature of nobody."""
    bogus = Announcement(identity.signing_public_key, SEQUENCE, SETTINGS.network_id, signature=os.urandom(64))
    return Update(identity.address, distance(SEQUENCE, 1), bogus)
