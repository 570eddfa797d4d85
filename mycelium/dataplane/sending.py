"""From TUN to the links: packets are put into trains, trains into frames.

    packets of one read -> runs with one destination, hop limit and traffic class -> a train each, sealed end to end
    -> the frame that is being filled on the link towards the destination -> sealed by the link at the end of the batch

This file is the data path: no object per packet, no copy. A run of packets is sealed from where it was read into its place
in the frame.
"""

import struct
from collections.abc import Iterable
from typing import Final

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.local_errors import LocalErrors
from mycelium.dataplane.parts import Part, parts_of
from mycelium.dataplane.unsealed import CLASS_MASK, CLASS_SHIFT, RunKey, is_sealed_enough, send_unsealed
from mycelium.dataplane.wrapping import Detours, Lookups, WrapperHead, wrap
from mycelium.identity import subnet_of
from mycelium.limits import HOP_LIMIT, WAYS_TRIED
from mycelium.link.frames import Frames
from mycelium.link.link import Link
from mycelium.outbox import Outbox
from mycelium.packet.batch import HEADROOM, SUPER_MASK, PacketBatch
from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE, NO_ROUTE, SOURCE_POLICY, source_of
from mycelium.policy.base import Policy
from mycelium.routing.forwarding import ForwardingTable
from mycelium.session.session import QUOTED_BYTES, Session
from mycelium.session.table import Sessions
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.train import (
    AAD_START,
    DATA,
    DEFLECTED,
    ITEM_HEADER,
    ITEM_HEADER_BYTES,
    ITEM_REPORT,
    LOOKUP,
    QUOTED_TAG_BYTES,
    REPORT,
    SESSION_REQUEST,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    WRAPPER_BYTES,
)

_HEADER_ROOM: Final = FRAME_HEADER.size
FRAME_OVERHEAD: Final = _HEADER_ROOM + TRAIN_HEADER_BYTES + TAG_BYTES  # bytes, of a frame with one train

# version, class and flow label; payload length, next header, hop limit; /64 of the source; destination
_IPV6: Final = struct.Struct("!IHBB8s8x16s")

_WANT_AN_ANSWER: Final = (SESSION_REQUEST, LOOKUP)

# the link on which trains for a node leave, their flags, and the waypoint that they are wrapped towards, if any
_Egress = tuple[Link, int, bytes]


class Sending:
    """Turns batches of packets into frames on links."""

    def __init__(
        self,
        own_address: bytes,
        *,
        forwarding: ForwardingTable,
        links: dict[bytes, Link],
        sessions: Sessions,
        ways: Detours,
        lookups: Lookups,
        errors: LocalErrors,
        policy: Policy,
        counters: DataplaneCounters,
        outbox: Outbox,
    ) -> None:
        self._own_address = own_address
        self._own_subnet = subnet_of(own_address)
        self._owner = forwarding.owner
        self._forwarding = forwarding
        self._next_hop = forwarding.next_hop
        self._links = links
        self._sessions = sessions
        self._session_of = sessions.by_peer
        self._ways = ways
        self._lookups = lookups
        self._errors = errors
        self._policy = policy
        self._counters = counters
        self._outbox = outbox
        self._filled: list[Frames] = []  # of the links with a frame that is being filled
        self._single = PacketBatch()

    def send_packets(self, batch: PacketBatch, *, now: float) -> None:
        """Seals and sends the packets of one read; refuses those whose source address is not this node's."""
        buffer, slots = batch.buffer, batch.slots
        unpack, pack_item, own_subnet = _IPV6.unpack_from, ITEM_HEADER.pack_into, self._own_subnet
        run_key: RunKey | None = None
        first = 0
        for index, (start, end, flags, segment_size) in enumerate(slots):
            word, _, _, hop_limit, source, destination = unpack(buffer, start)
            pack_item(buffer, start - ITEM_HEADER_BYTES, (end - start) << 8 | flags, segment_size)
            key: RunKey | None = (word >> CLASS_SHIFT, hop_limit, destination)
            if source != own_subnet and not self._is_ours(source_of(buffer[start:end])):
                key = None
                self._refuse_source(buffer[start:end], now=now)
            if key != run_key:
                if run_key is not None:
                    self._send_run(run_key, batch, first, index, now=now)
                run_key, first = key, index
        if run_key is not None:
            self._send_run(run_key, batch, first, len(slots), now=now)
        self._counters.packets_sent += len(slots)
        if self._filled:
            self.flush(now=now)

    def send_queued(self, session: Session, *, now: float) -> None:
        """Sends the packets that waited for the keys of a session."""
        for packet in session.queue.take_all():
            self.send_packet(packet.data, packet.flags, packet.segment_size, now=now)

    def send_packet(self, packet: bytes, flags: int = 0, segment_size: int = 0, *, now: float) -> None:
        """Sends one packet."""
        batch = self._single
        end = ITEM_HEADER_BYTES + len(packet)
        batch.buffer[ITEM_HEADER_BYTES:end] = packet
        batch.slots = [(ITEM_HEADER_BYTES, end, flags, segment_size)]
        self.send_packets(batch, now=now)

    def send_train(
        self,
        node: bytes,
        kind: int,
        index: int,
        counter: int,
        body: bytes,
        *,
        turn: int = 0,
        home: bytes = b"",
        now: float,
    ) -> bool:
        """Sends a train that carries a handshake message or an error; returns False if there is no way to `node`.

        It goes over the route for turn 0, without one towards `home`; else over one of the other `ways`: 1 is the first of
        them, and after the last one they begin again.
        """
        egress = self._egress_beside(node, turn) if turn else self._egress(node, home)
        if egress is None:
            return False
        link, flags, waypoint = egress
        if kind in _WANT_AN_ANSWER and not waypoint and self._ways.own_home:
            waypoint = node  # the wrapper shows the way back
        frames = link.frames
        if not frames.filled_bytes:
            self._filled.append(frames)
        length = TRAIN_HEADER_BYTES + len(body)
        frame, used = frames.reserve(length + (WRAPPER_BYTES if waypoint else 0), 0, now=now)
        if waypoint:
            used = self._wrap(frame, used, waypoint, WrapperHead(HOP_LIMIT, flags, 0, length, self._own_address))
        head = (HOP_LIMIT, flags, kind, 0, len(body), index, counter, node, self._own_address)
        TRAIN_HEADER.pack_into(frame, used, *head)
        frame[used + TRAIN_HEADER_BYTES : used + TRAIN_HEADER_BYTES + len(body)] = body
        if flags:
            self._counters.trains_deflected += 1
        self.flush(now=now)
        return True

    def confirm(self, session: Session, *, now: float) -> None:
        """Sends an empty train, which tells the peer that its reply has arrived."""
        egress = self._egress(session.peer)
        if egress is not None and session.sending is not None:
            self._seal_train(egress, session, (0, HOP_LIMIT, session.peer), memoryview(b""), 0, now=now)
            self.flush(now=now)

    def report(self, session: Session, opened: int, newest: int, *, now: float) -> None:
        """Tells the peer how many of its trains have arrived."""
        self.send_item(session, ITEM_REPORT, REPORT.pack(newest, opened), now=now)

    def ways(self, node: bytes) -> list[bytes]:
        """Returns the next hop of a node, and others to try."""
        return self._forwarding.ways(node, WAYS_TRIED)

    def send_item(
        self,
        session: Session,
        kind: int,
        content: bytes,
        *,
        hop_limit: int = HOP_LIMIT,
        over: bytes | None = None,
        now: float,
    ) -> bool:
        """Sends an item that is no packet, in a train of its own; returns False without a route or a keypair.

        It takes the route, or goes over a neighbour that is named, whether that is the next hop or not.
        """
        egress = self._egress(session.peer) if over is None else self._egress_over(session.peer, over)
        if egress is None or session.sending is None:
            return False
        item = ITEM_HEADER.pack(len(content) << 8 | kind, 0) + content
        self._seal_train(egress, session, (0, hop_limit, session.peer), memoryview(item), 0, now=now)
        self.flush(now=now)
        return True

    def item_room(self, session: Session) -> int:
        """Returns how long an item's content may be in a train that is no longer than those of packets; 0 without a route."""
        egress = self._egress(session.peer)
        if egress is None:
            return 0
        overhead = FRAME_OVERHEAD + (WRAPPER_BYTES if egress[2] else 0)
        return min(session.budget.limit, egress[0].frames.budget.limit - overhead) - ITEM_HEADER_BYTES

    def flush(self, *, now: float) -> None:
        """Seals and sends every frame that is being filled."""
        for frames in self._filled:
            frames.commit(now=now)
        self._filled.clear()

    # -- a run of packets ----------------------------------------------------------------------------------------------

    def _send_run(self, key: RunKey, batch: PacketBatch, first: int, stop: int, *, now: float) -> None:
        """Sends the packets of slots[first:stop], which have one destination, hop limit and traffic class."""
        slots, node = batch.slots, key[2]
        next_hop = self._next_hop.get(node)
        if next_hop is None:  # else it is the address of a node, even if its /64 belongs to another one
            partner = self._session_of.get(node)
            if partner is None or partner.sending is None:
                node = self._owner.get(subnet_of(node)) or self._lookups.node_at(node) or b""
            next_hop = self._next_hop.get(node, b"")
        link = self._links.get(next_hop)
        egress = (link, 0, b"") if link is not None else self._other_egress(node)
        if egress is None:
            self._look_up(batch, first, stop, key[2], now=now)
            return
        session = self._session_of.get(node) or self._sessions.find(node, now=now)
        if session.sending is None:
            self._counters.packets_sent -= stop - first  # counted when they leave the queue
            for start, end, flags, segment_size in slots[first:stop]:
                self._sessions.enqueue(session, batch.buffer[start:end], flags, segment_size, now=now)
            return
        session.last_used = now
        if self._policy.departs is not None:
            self._policy.departs(node, batch.buffer, slots[first:stop], now=now)
        start, end = slots[first][0] - ITEM_HEADER_BYTES, slots[stop - 1][1]
        is_divisible = stop - first > 1 or slots[first][2] & SUPER_MASK
        if is_divisible and end - start > (limit := self._limit(egress, session)):
            self._send_in_parts(egress, session, key, parts_of(batch, slots[first:stop], limit), now=now)
            return
        items = batch.with_headroom[start : end + HEADROOM]
        bucket = items[HEADROOM + ITEM_HEADER_BYTES + 3]  # low byte of the flow label
        if egress[0].address == node and is_sealed_enough(egress[0].frames, session.sending):
            send_unsealed(egress[0].frames, session, key, items, bucket, self._own_address, now=now)
        else:
            self._seal_train(egress, session, key, items[HEADROOM:], bucket, now=now)

    def _send_in_parts(
        self, egress: _Egress, session: Session, key: RunKey, parts: Iterable[Part], *, now: float
    ) -> None:
        """Sends a train for each part."""
        frames, keys = egress[0].frames, session.sending
        assert keys is not None
        is_sealed = egress[0].address == session.peer and is_sealed_enough(frames, keys)
        for items, bucket in parts:
            if is_sealed:
                send_unsealed(frames, session, key, items, bucket, self._own_address, now=now)
            else:
                self._seal_train(egress, session, key, items[HEADROOM:], bucket, now=now)

    def _limit(self, egress: _Egress, session: Session) -> int:
        """Returns how long a train of several packets may be, without its headers."""
        of_link = egress[0].frames.budget
        overhead = FRAME_OVERHEAD if not egress[2] else FRAME_OVERHEAD + WRAPPER_BYTES
        limit, most = session.budget.limit, of_link.limit - overhead
        if limit < of_link.floor:
            limit = max(limit, of_link.floor - overhead)
        return limit if limit < most else most

    def _is_ours(self, source: bytes) -> bool:
        """Tells whether an address outside the own /64 lies in a prefix of this node."""
        return self._forwarding.owner_of(source) == self._own_address

    def _egress(self, node: bytes, home: bytes = b"") -> _Egress | None:
        """Returns how trains for a node leave; None if there is no route."""
        link = self._links.get(self._next_hop.get(node, b""))
        return (link, 0, b"") if link is not None else self._other_egress(node, home)

    def _other_egress(self, node: bytes, home: bytes = b"", turn: int = 0) -> _Egress | None:
        """Returns how trains for a node leave without a next hop that has a link; None if there is no way."""
        way = self._ways.way_to(node, home, turn)
        link = way and self._links.get(way.neighbour)
        return None if way is None or link is None else (link, way.flags, way.waypoint)

    def _egress_over(self, node: bytes, neighbour: bytes) -> _Egress | None:
        """Returns how trains leave over a given neighbour: deflected, unless that is the next hop."""
        link = self._links.get(neighbour)
        return None if link is None else (link, 0 if self._next_hop.get(node) == neighbour else DEFLECTED, b"")

    def _egress_beside(self, node: bytes, turn: int) -> _Egress | None:
        _, *others = self.ways(node) or [b""]
        if others:
            return self._egress_over(node, others[(turn - 1) % len(others)])
        return None if node in self._next_hop else self._other_egress(node, turn=turn)

    def _seal_train(
        self, egress: _Egress, session: Session, key: RunKey, items: memoryview, bucket: int, *, now: float
    ) -> None:
        """Seals items end to end, into the frame that is being filled on the link."""
        link, flags, waypoint = egress
        keys = session.sending
        assert keys is not None
        body = len(items) + TAG_BYTES
        frames = link.frames
        if not frames.filled_bytes:
            self._filled.append(frames)
        traffic_class = key[0] & CLASS_MASK
        if waypoint:
            length = TRAIN_HEADER_BYTES + body
            frame, used = frames.reserve(WRAPPER_BYTES + length, traffic_class, now=now)
            head = WrapperHead(key[1], flags, traffic_class, bucket << 24 | length, self._own_address)
            used = self._wrap(frame, used, waypoint, head)
        else:
            frame, used = frames.reserve(TRAIN_HEADER_BYTES + body, traffic_class, now=now)
        sealing = keys.sealing
        counter = sealing.counter
        TRAIN_HEADER.pack_into(
            frame,
            used,
            key[1],
            flags,
            DATA,
            traffic_class,
            bucket << 24 | body,
            keys.remote_index,
            counter,
            session.peer,
            self._own_address,
        )
        start = used + TRAIN_HEADER_BYTES
        end = start + body
        sealing.seal_into(counter, items, frame[used + AAD_START : start], frame[start:end])
        quote = bytes(items[ITEM_HEADER_BYTES : ITEM_HEADER_BYTES + QUOTED_BYTES])
        if flags:
            self._counters.trains_deflected += 1
        session.recent.append((counter, bytes(frame[end - QUOTED_TAG_BYTES : end]), quote, waypoint))

    def _wrap(self, frame: memoryview, used: int, waypoint: bytes, head: WrapperHead) -> int:
        self._counters.trains_wrapped += 1
        return wrap(frame, used, waypoint, head, self._ways.own_home)

    def reject_queued(self, session: Session, *, now: float) -> None:
        """Tells the senders of packets queued in a session that its peer does not answer."""
        for packet in session.queue.take_all():
            self._errors.report(ADDRESS_UNREACHABLE, memoryview(packet.data), now=now)

    # -- refusals ------------------------------------------------------------------------------------------------------

    def _refuse_source(self, packet: memoryview, *, now: float) -> None:
        self._counters.packets_foreign_source += 1
        self._counters.packets_sent -= 1
        self._errors.report(SOURCE_POLICY, packet, now=now)

    def _look_up(self, batch: PacketBatch, first: int, stop: int, destination: bytes, *, now: float) -> None:
        """Has packets wait whose destination is looked up, and refuses others."""
        for start, end, flags, segment_size in batch.slots[first:stop]:
            self._counters.packets_sent -= 1
            packet = batch.buffer[start:end]
            if not self._lookups.enqueue(destination, packet, flags, segment_size, now=now):
                self._counters.packets_no_route += 1
                self._errors.report(NO_ROUTE, packet, now=now)
