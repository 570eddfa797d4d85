"""From the links to TUN or onward: frames are split into trains, trains into packets.

    an opened frame -> its trains -> for other nodes: hop limit, next hop, sealed unopened by the next link;
                                     if the next hop is gone, to another neighbour, once only (deflected)
                                  -> for this node: opened end to end, each packet checked, delivered to TUN

This file is the data path: a run of trains for one next hop is sealed again in place, without a copy.
"""

import struct
from typing import Final, Protocol

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.echoes import Echoes
from mycelium.dataplane.refusals import Refusals
from mycelium.dataplane.relay_errors import RelayErrors
from mycelium.dataplane.sending import Sending
from mycelium.dataplane.train_order import TrainOrder
from mycelium.dataplane.unsealed import unsealed_header
from mycelium.identity import subnet_of
from mycelium.link.link import Link
from mycelium.outbox import Outbox
from mycelium.packet.ecn import mark_deliveries
from mycelium.packet.ipv6 import HEADER_BYTES, destination_of
from mycelium.policy.base import Policy
from mycelium.routing.forwarding import ForwardingTable
from mycelium.session.session import Session, SessionKeypair
from mycelium.session.table import Sessions
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import DATA as DATA_FRAME
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.frame import UNSEALED as UNSEALED_FRAME
from mycelium.wire.train import (
    AAD_START,
    CONGESTED,
    DATA,
    DEFLECTED,
    DESTINATION,
    ERROR,
    ERROR_HOP_LIMIT,
    ERROR_NO_ROUTE,
    INNER_DESTINATION,
    ITEM_ECHO,
    ITEM_HEADER,
    ITEM_HEADER_BYTES,
    ITEM_REPORT,
    LENGTH_MASK,
    RELAY,
    REPORT,
    SESSION_COOKIE,
    SESSION_PROOF,
    SESSION_REPLY,
    SESSION_REQUEST,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    UNSEALED,
    WRAPPER_BYTES,
    TrainHeader,
    home_in,
)

_FRAME_HEADER_BYTES: Final = FRAME_HEADER.size
_VERSION_6: Final = 6
_HOP_LIMIT_OFFSET: Final = 7
_TRAIN_FLAGS_OFFSET: Final = 1
_TRAIN_KIND_OFFSET: Final = 2
_TRAIN_CLASS_OFFSET: Final = 3
_ITEM_FLAGS: Final = 0x0F
_ITEM_TYPE: Final = 0xF0

# version and traffic class; hop limit; source; /64 of the destination
_IPV6: Final = struct.Struct("!B6xB16s8s8x")


class ItemHandler(Protocol):
    """Takes the body of an item that is no packet, valid until the call returns; `hop_limit` is what its train has left."""

    def __call__(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None: ...


class TrainHandler(Protocol):
    """Takes the body of a train, valid until the call returns; `home` is where a wrapper says that the source is reached."""

    def __call__(self, source: bytes, body: memoryview, *, neighbour: bytes, home: bytes, now: float) -> None: ...


class Receiving:
    """Forwards and delivers trains. `item_handlers` maps the types of items other than packets to their handlers.

    `train_handlers` does so for the types of trains that have nothing to do with sessions.

    A leaf (`is_leaf`) forwards nothing. While `has_device` is not set, the senders of packets for this node are told that
    it can't deliver them.
    """

    def __init__(
        self,
        own_address: bytes,
        *,
        forwarding: ForwardingTable,
        links: dict[bytes, Link],
        sessions: Sessions,
        sending: Sending,
        relay_errors: RelayErrors,
        echoes: Echoes,
        policy: Policy,
        refusals: Refusals,
        counters: DataplaneCounters,
        outbox: Outbox,
        is_leaf: bool,
    ) -> None:
        self._own_address = own_address
        self._own_subnet = subnet_of(own_address)
        self._forwarding = forwarding
        self._next_hop = forwarding.next_hop
        self._is_leaf = is_leaf
        self._onward: dict[bytes, bytes] = {} if is_leaf else forwarding.next_hop  # of trains of other nodes
        self._links, self._sessions, self._sending = links, sessions, sending
        self._relay_errors, self._echoes, self._refusals = relay_errors, echoes, refusals
        self._policy, self._counters, self._outbox = policy, counters, outbox
        self.has_device = True
        self.order = TrainOrder(sessions, self._open_train)
        self.train_handlers: dict[int, TrainHandler] = {}
        self.item_handlers: dict[int, ItemHandler] = {ITEM_REPORT: self._take_report, ITEM_ECHO: echoes.take}

    def receive_frame(self, frame: memoryview, *, now: float, neighbour: bytes = b"") -> None:
        """Takes an opened data or unsealed frame of a neighbour, and writes into it."""
        if frame[0] == UNSEALED_FRAME:
            own = unsealed_header(frame, neighbour, self._own_address)
            if own is None:
                self._counters.trains_malformed += 1
            else:
                self._receive_data(own, frame[_FRAME_HEADER_BYTES:], neighbour, now=now)
            return
        position = run_start = _FRAME_HEADER_BYTES
        length = len(frame)
        run_link: Link | None = None
        run_class = 0
        while position + TRAIN_HEADER_BYTES <= length:
            header = TRAIN_HEADER.unpack_from(frame, position)
            end = position + TRAIN_HEADER_BYTES + (header[4] & LENGTH_MASK)
            if end > length:
                break
            if header[2] == RELAY:
                header = self._unwrap(header, frame[position:end])
            if header[7] == self._own_address:
                link = None
                self._receive_train(header, frame[position:end], neighbour, now=now)
            else:
                link = self._next_link(header, frame, position, end, neighbour, now=now)
            if link is not run_link or header[3] != run_class:
                if run_link is not None:
                    self._forward(run_link, frame, run_start, position, now=now)
                run_link, run_class, run_start = link, header[3], position
            position = end
        if run_link is not None:
            self._forward(run_link, frame, run_start, position, now=now)
        if position != length:
            self._counters.trains_malformed += 1

    # -- for other nodes -----------------------------------------------------------------------------------------------

    def _unwrap(self, header: TrainHeader, train: memoryview) -> TrainHeader:
        """Has a wrapped train go on to its own destination if there is a route, or this is the waypoint; returns its header.

        It keeps its wrapper, which shows the destination the way back.
        """
        if len(train) < WRAPPER_BYTES + TRAIN_HEADER_BYTES:
            return header
        destination = bytes(train[INNER_DESTINATION])
        if destination == header[7] or not (
            header[7] == self._own_address or destination == self._own_address or destination in self._next_hop
        ):
            return header
        train[DESTINATION] = destination
        self._counters.trains_unwrapped += 1
        return (*header[:7], destination, header[8])

    def _next_link(
        self, header: TrainHeader, frame: memoryview, position: int, end: int, neighbour: bytes, *, now: float
    ) -> Link | None:
        """Lowers the hop limit of a train and returns the link to forward it on; None if it is dropped."""
        hop_limit = header[0]
        if hop_limit <= 1:
            self._counters.trains_hop_limit += 1
            self._relay_errors.report(ERROR_HOP_LIMIT, frame[position:end], neighbour=neighbour, now=now)
            return None
        link = self._links.get(self._onward.get(header[7], b""))
        if link is None and (link := self._deflect(header, frame, position, neighbour)) is None:
            self._counters.trains_no_route += 1
            self._relay_errors.report(ERROR_NO_ROUTE, frame[position:end], neighbour=neighbour, now=now)
            return None
        frame[position] = hop_limit - 1
        self._counters.trains_forwarded += 1
        return link

    def _deflect(self, header: TrainHeader, frame: memoryview, position: int, neighbour: bytes) -> Link | None:
        """Marks a train whose next hop is gone, and returns the link of another neighbour; None if it was marked before.

        A marked train follows next hops only. These form no loop, so it passes no node a third time.
        """
        if header[1] & DEFLECTED or self._is_leaf:
            return None
        link = self._links.get(self._forwarding.alternate(header[7], neighbour) or b"")
        if link is not None:
            frame[position + _TRAIN_FLAGS_OFFSET] = header[1] | DEFLECTED
            self._counters.trains_deflected += 1
        return link

    def _forward(self, link: Link, frame: memoryview, start: int, end: int, *, now: float) -> None:
        """Sends adjacent trains of one class; the frame header overwrites the bytes before them, which are no longer needed."""
        frames, traffic_class = link.frames, frame[start + _TRAIN_CLASS_OFFSET]
        if end - start + _FRAME_HEADER_BYTES <= frames.budget.limit:
            frames.send(DATA_FRAME, frame[start - _FRAME_HEADER_BYTES : end], traffic_class=traffic_class, now=now)
            return
        position = start
        while position < end:
            following = position + TRAIN_HEADER_BYTES + (TRAIN_HEADER.unpack_from(frame, position)[4] & LENGTH_MASK)
            part = frame[position - _FRAME_HEADER_BYTES : following]
            frames.send(DATA_FRAME, part, traffic_class=traffic_class, now=now)
            position = following

    # -- for this node -------------------------------------------------------------------------------------------------

    def _receive_train(
        self, header: TrainHeader, train: memoryview, neighbour: bytes, *, home: bytes = b"", now: float
    ) -> None:
        _, _, kind, _, _, index, counter, _, source = header
        if kind == DATA:
            self._receive_data(header, train, neighbour, now=now)
            return
        if kind == SESSION_REQUEST:
            body = train[TRAIN_HEADER_BYTES:]
            self._sessions.receive_request(source, counter, body, neighbour=neighbour, home=home, now=now)
        elif kind == SESSION_REPLY:
            self._sessions.receive_reply(source, index, counter, train[TRAIN_HEADER_BYTES:], now=now)
        elif kind == SESSION_COOKIE:
            self._sessions.receive_cookie(source, index, bytes(train[TRAIN_HEADER_BYTES:]), now=now)
        elif kind == SESSION_PROOF:
            self._sessions.receive_proof(source, index, counter, train[TRAIN_HEADER_BYTES:], now=now)
        elif kind == ERROR:
            self._relay_errors.receive(source, train[TRAIN_HEADER_BYTES:], neighbour=neighbour, now=now)
        elif kind == RELAY:
            self._receive_wrapped(train, neighbour, now=now)
        elif (handler := self.train_handlers.get(kind)) is not None:
            handler(source, train[TRAIN_HEADER_BYTES:], neighbour=neighbour, home=home, now=now)
        else:
            self._counters.trains_malformed += 1
        if self._sessions.ready or self._sessions.early:
            self.release_ready(now=now)

    def _receive_data(self, header: TrainHeader, train: memoryview, neighbour: bytes, *, now: float) -> None:
        """Takes a data train, or an unsealed one."""
        hop_limit, _, _, _, _, index, counter, _, source = header
        if source in self.order.by_peer:
            self.order.take(hop_limit, index, counter, source, train, neighbour, now=now)
        else:
            self._open_train(hop_limit, index, counter, source, train, now=now)
        if self._sessions.ready:
            self.release_ready(now=now)

    def _receive_wrapped(self, train: memoryview, neighbour: bytes, *, now: float) -> None:
        """Takes the train in a wrapper, with the hop limit and the flags that the wrapper has arrived with."""
        inside = train[WRAPPER_BYTES:]
        header = TRAIN_HEADER.unpack_from(inside) if len(inside) >= TRAIN_HEADER_BYTES else None
        if (
            header is None
            or header[7] != self._own_address
            or header[2] == RELAY
            or TRAIN_HEADER_BYTES + (header[4] & LENGTH_MASK) != len(inside)
        ):
            self._counters.trains_malformed += 1
            return
        inside[:AAD_START] = train[:AAD_START]
        header = (train[0], train[1], *header[2:])
        self._receive_train(header, inside, neighbour, home=home_in(train), now=now)

    def _open_train(
        self,
        hop_limit: int,
        index: int,
        counter: int,
        source: bytes,
        train: memoryview,
        *,
        early: bool = False,
        now: float,
    ) -> None:
        session, keys = self._sessions.by_index.get(index, (None, None))
        if session is None or keys is None or session.peer != source:
            self._counters.trains_unknown_session += 1
            self._sessions.receive_unknown(source, now=now)
            return
        body = train[TRAIN_HEADER_BYTES:]
        if early:  # it was opened before, and kept for the proof
            plain, is_open = body[:-TAG_BYTES], True
        elif train[_TRAIN_KIND_OFFSET] == UNSEALED:
            plain, is_open = body, keys.is_confirmed and keys.opening.note(counter)
        elif len(body) < TAG_BYTES:
            self._counters.trains_malformed += 1
            return
        else:
            plain = self._outbox.take(len(body) - TAG_BYTES)
            is_open = keys.opening.open_into(counter, body, train[AAD_START:TRAIN_HEADER_BYTES], plain)
        if not is_open:
            self._counters.trains_not_opened += 1
            return
        if keys is not session.sending and not early and not self._sessions.opened_under(session, keys, now=now):
            self._keep(keys, train, plain, now=now)
            return
        keys.last_opened = session.last_used = now
        self._deliver(session, plain, hop_limit, train[_TRAIN_FLAGS_OFFSET], now=now)
        if not self.has_device and self._outbox.deliveries:
            self._relay_errors.refuse_deliveries(train, self._outbox.deliveries, neighbour=session.peer, now=now)
        if keys.report.add(counter, now=now):
            self._sending.report(session, *keys.report.take(now=now), now=now)

    def _keep(self, keys: SessionKeypair, train: memoryview, plain: memoryview, *, now: float) -> None:
        """Keeps an opened train, with the end that an error about it quotes, until its keys are proved."""
        head, end = train[:TRAIN_HEADER_BYTES], train[-TAG_BYTES:]
        if keys.awaited is None or not keys.awaited.keep(head, plain, end, now=now):
            self._sessions.counters.trains_unproved += 1

    def _deliver(self, session: Session, plain: memoryview, hop_limit: int, flags: int, *, now: float) -> None:
        """Delivers the packets of a train whose sender owns their source and this node their destination."""
        deliveries = self._outbox.deliveries
        already = len(deliveries)
        unpack_item, unpack = ITEM_HEADER.unpack_from, _IPV6.unpack_from
        peer, ours = session.peer, self._own_subnet
        position, length = 0, len(plain)
        while position + ITEM_HEADER_BYTES <= length:
            word, segment_size = unpack_item(plain, position)
            start = position + ITEM_HEADER_BYTES
            position = start + (word >> 8)
            if position > length:
                break
            if word & _ITEM_TYPE:
                self._handle_item(word & _ITEM_TYPE, session, plain[start:position], hop_limit, now=now)
                continue
            if position - start < HEADER_BYTES:
                self._counters.trains_malformed += 1
                continue
            first, its_hop_limit, source, destination = unpack(plain, start)
            if (
                (source != peer and not self._owns(peer, source))
                or (destination != ours and not self._owns(self._own_address, destination_of(plain[start:position])))
                or first >> 4 != _VERSION_6
            ):
                self._counters.packets_foreign += 1
                continue
            if hop_limit < its_hop_limit:  # a relay may lower it, not raise it
                plain[start + _HOP_LIMIT_OFFSET] = hop_limit
            deliveries.append((plain[start:position], word & _ITEM_FLAGS, segment_size))
        if position != length:
            self._counters.trains_malformed += 1
        if flags & CONGESTED:
            self._counters.packets_congested += mark_deliveries(deliveries, already)
        admits = self._policy.admits
        if admits is not None:
            refused = admits(peer, deliveries[already:], now=now)
            if refused:
                self._counters.packets_denied += len(refused)
                self._refusals.drop(refused, deliveries, already, peer, now=now)
        self._counters.packets_delivered += len(deliveries) - already

    def _handle_item(self, kind: int, session: Session, body: memoryview, hop_limit: int, *, now: float) -> None:
        handler = self.item_handlers.get(kind)
        if handler is None:
            self._counters.items_unknown += 1
        else:
            handler(session, body, hop_limit=hop_limit, now=now)

    def _take_report(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        if len(body) < REPORT.size:
            self._counters.trains_malformed += 1
            return
        newest, opened = REPORT.unpack_from(body)
        session.take_report(opened, newest, now=now)

    def _owns(self, node: bytes, address: bytes) -> bool:
        """Tells whether an address lies in the /64 or in a prefix of a node, and is not the address of another node.

        The /64 of a node out of scope is its own as far as is known.
        """
        owner = self._forwarding.owner_of(address) or (node if subnet_of(address) == subnet_of(node) else None)
        return owner == node and address not in self._next_hop

    def release_ready(self, *, now: float) -> None:
        """Takes what waited for proofs of keys that have come, and sends what waited for sessions that have keys now."""
        waited, self._sessions.early[:] = list(self._sessions.early), []
        for source, train in waited:
            hop_limit, *_, index, counter, _, _ = TRAIN_HEADER.unpack_from(train)
            self._open_train(hop_limit, index, counter, source, train, early=True, now=now)
        ready, self._sessions.ready[:] = list(self._sessions.ready), []
        for session in ready:
            if session.queue:
                self._sending.send_queued(session, now=now)
            else:
                self._sending.confirm(session, now=now)
            self._echoes.session_ready(session, now=now)
