"""A link: an authenticated neighbour, the keys shared with it, and the paths that lead to it.

The only place where frames are sealed, cut into chunks, put together and opened. Only a frame that opens moves anything
here: window, path, echo, liveness.

    send_frame: header with the echo -> seal -> one datagram, or chunks of the path's size -> outbox
    receive:    chunks put together -> opened -> control and probes handled here, data frames returned
"""

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError, LocalError
from mycelium.limits import DATAGRAM_FLOOR, PATHS_PER_LINK
from mycelium.node.burst import ProbeBurst
from mycelium.node.control_channel import ControlChannel
from mycelium.node.crossing import is_replaced
from mycelium.node.handshakes import Completed
from mycelium.node.link_session import IDLE_KEYS_KEPT_S, MESSAGE_3_AGAIN_S, MESSAGE_3_PATIENCE_S, LinkSession
from mycelium.node.liveness import Action, PathState, Role
from mycelium.node.loss import FrameBudget
from mycelium.node.outbox import Outbox
from mycelium.node.path import Path
from mycelium.node.reassembly import PartialBudget
from mycelium.node.repair import Repair, RepairBudgets
from mycelium.routing.metric import PublishedCost, link_cost
from mycelium.wire.control import Item, decode_items, encode_item
from mycelium.wire.datagram import (
    CHUNK,
    CHUNK_HEAD,
    CHUNK_WORD,
    FRAME,
    FRAME_HEAD,
    FRAME_WORD,
    TAG_BYTES,
)
from mycelium.wire.frame import (
    CLOSE,
    CONTROL,
    CONTROL_HEADER,
    DATA,
    FRAME_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    PROBE_WANTS_REPLY,
    REPAIR,
)

SESSIONS_PER_LINK: Final = 4
FIRST_REDIAL_S: Final = 1.0
BUSY_BYTES_PER_S: Final = 10_000
_HEAD_BYTES: Final = FRAME_HEAD.size
_FRAME_HEADER_BYTES: Final = FRAME_HEADER.size
_SEALED_OVERHEAD: Final = _HEAD_BYTES + _FRAME_HEADER_BYTES + TAG_BYTES
_MASK_32: Final = 0xFFFF_FFFF
_INDEX: Final = slice(4, 8)  # of a datagram: the receiver's index
_PROBES_REMEMBERED: Final = 32
MOST_EXPENDABLE: Final = 64  # frames that are excused in advance: some that seem lost come late


class LinkState(Enum):
    """What routing is told of a neighbour."""

    DOWN = "down"
    UP = "up"
    SUSPECT = "suspect"


class Link:
    """One neighbour. `frame` and `frame_used` are the data frame that is being filled for it, by `node.sending`."""

    __slots__ = (
        "_burst",
        "_carried",
        "_control",
        "_control_keys_since",
        "_cost",
        "_evicted_frames",
        "_flow_order",
        "_missed",
        "_new_stream",
        "_next_path_number",
        "_next_token",
        "_outbox",
        "_own_exchange_key",
        "_partial_budget",
        "_redial_at",
        "_redial_wait",
        "_refused_chunks",
        "_repair",
        "_repair_budgets",
        "_sent_frames",
        "_sessions",
        "active",
        "address",
        "budget",
        "closed_by_peer",
        "connected_since",
        "cost",
        "cost_changed",
        "exchange_key",
        "frame",
        "frame_limit",
        "frame_used",
        "items",
        "last_heard",
        "malformed",
        "not_opened",
        "paths",
        "peer_restarted",
        "reported",
        "sending",
    )

    def __init__(
        self,
        completed: Completed,
        *,
        own_exchange_key: bytes,
        outbox: Outbox,
        partial_budget: PartialBudget,
        repair_budgets: RepairBudgets,
        new_stream: Callable[[], int],
        now: float,
    ) -> None:
        self.address = completed.keys.peer_address
        self.exchange_key = completed.keys.peer_exchange_key
        self._own_exchange_key = own_exchange_key
        self._outbox = outbox
        self._partial_budget = partial_budget
        self._repair_budgets = repair_budgets
        self._repair = Repair(repair_budgets, outbox)
        self._flow_order = self._repair.order
        self._sent_frames = self._repair.sent
        self._new_stream = new_stream
        self._control = ControlChannel(new_stream())
        self._control_keys_since = -inf  # when the newest keys were agreed that control messages came under
        self._sessions: dict[int, LinkSession] = {}  # by our index, oldest first
        self._next_path_number = 0
        self._next_token = 1
        self._cost = PublishedCost()
        self._burst = ProbeBurst()
        self.cost: int | None = None  # as published, units of 10 us
        self.cost_changed = False  # since routing was told
        self.budget = FrameBudget(floor=DATAGRAM_FLOOR - _HEAD_BYTES - TAG_BYTES, now=now)
        self.frame_limit = self.budget.limit
        self.frame: memoryview | None = None
        self.frame_used = 0
        self.items: list[Item] = []  # control messages that came, to be drained by the node
        self.peer_restarted = False  # the neighbour has lost what we told it
        self.closed_by_peer = False
        self.reported = LinkState.DOWN  # what routing was told last
        self.connected_since = now
        self.last_heard = now
        self._redial_at = inf
        self._redial_wait = FIRST_REDIAL_S
        self._missed = 0  # frames, at the last sweep
        self._carried = 0  # bytes over all paths, at the last sweep
        self._refused_chunks = 0  # of sessions that have ended
        self._evicted_frames = 0
        self.malformed = 0
        self.not_opened = 0
        self.paths: dict[Endpoint, Path] = {}
        self.active = self._add_path(completed.endpoint, is_validated=True, now=now)
        self.sending = self._add_session(completed, now)

    # -- handshakes ----------------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Tells whether nothing is to be waited for: the neighbour has left, or vanished in the middle of the handshake."""
        return self.cost is None and self._redial_at == inf

    @property
    def indices(self) -> list[int]:
        """Our indices under which the neighbour may send."""
        return list(self._sessions)

    def holds(self, index: int) -> bool:
        """Tells whether the neighbour may send under this index of ours."""
        return index in self._sessions

    @property
    def state(self) -> LinkState:
        """What the path in use says."""
        if self.cost is None or self.closed_by_peer or self.active.liveness.state is PathState.DEAD:
            return LinkState.DOWN
        return LinkState.SUSPECT if self.active.liveness.state is PathState.SUSPECT else LinkState.UP

    def adopt(self, completed: Completed, *, now: float) -> None:
        """Takes in the keys and the path of another handshake with the same neighbour: a rekey, a restart, a second path."""
        was_down = self.state is LinkState.DOWN
        session = self._add_session(completed, now)
        path = self.paths.get(completed.endpoint)
        if path is None:
            path = self._add_path(completed.endpoint, is_validated=True, now=now)
        path.is_validated = True
        path.liveness.received(now)
        self.closed_by_peer = False
        if was_down:
            self.active = path
        if was_down or session.message_3 is None:
            self._send_under(session)
        self._probe(path, now=now)

    def _add_session(self, completed: Completed, now: float) -> LinkSession:
        session = LinkSession(completed, self._partial_budget, self._repair_budgets.held, now=now)
        self._sessions[completed.keys.local_index] = session
        for index, old in list(self._sessions.items()):
            if len(self._sessions) > SESSIONS_PER_LINK and old is not session and old is not self.sending:
                self._drop_session(index)
        return session

    def _heard_under(self, session: LinkSession, path: Path, now: float) -> None:
        """A frame came under keys that the neighbour had not used before, or that we do not send under.

        At first we follow it: it may hold no others. Once it uses both keys of crossing handshakes, both ends take the same.
        """
        is_first = session.message_3 is not None
        session.message_3 = None
        if is_first and self.cost is None:  # it could not open what we asked before
            self._probe(path, now=now)
        if session is not self.sending and (is_first or is_replaced(self.sending, session, self._own_exchange_key)):
            self._send_under(session)

    def _send_under(self, session: LinkSession) -> None:
        self.sending = session
        self.budget.restart_counters()
        self._repair.restart_counters()
        for path in self.paths.values():
            path.liveness.restart_counters()

    def _drop_session(self, index: int) -> None:
        session = self._sessions.pop(index)
        self._repair.end(session.holes)
        reassembly = session.reassembly
        reassembly.close()
        self._refused_chunks += reassembly.refused_chunks
        self._evicted_frames += reassembly.evicted_frames

    # -- sending -------------------------------------------------------------------------------------------------------

    def send_frame(
        self,
        kind: int,
        plain: memoryview,
        *,
        now: float,
        path: Path | None = None,
        wants_echo: bool = True,
        datagram_size: int = 0,
    ) -> None:
        """Seals one frame and puts its datagrams into the outbox.

        `plain` begins with room for the frame header, which is written here. Datagrams have the size that the path is known to
        carry, or `datagram_size` where that is to be found out.
        """
        if path is None:
            path = self.active
        session = self.sending
        sealing = session.sealing
        counter = sealing.counter
        receiver = session.keys.remote_index
        distance = self._flow_order.distance(counter, plain) if kind == DATA else 0
        FRAME_HEADER.pack_into(plain, 0, kind, path.number, distance, path.newest & _MASK_32)
        total = len(plain) + TAG_BYTES
        block = self._outbox.take(_HEAD_BYTES + total)
        sealed = block[_HEAD_BYTES:]
        FRAME_HEAD.pack_into(block, 0, FRAME_WORD, receiver, counter)
        try:
            sealing.seal_into(counter, plain, block[:_HEAD_BYTES], sealed)
        except LocalError:  # worn out: nothing leaves until a handshake brings new keys
            path.liveness.sent(counter - 1, now, False)
            return
        size = datagram_size or path.mtu.size
        if _HEAD_BYTES + total <= size:
            self._outbox.transmits.append((path.endpoint, [block], _HEAD_BYTES + total))
        else:
            room = size - CHUNK_HEAD.size
            pack = CHUNK_HEAD.pack
            buffers: list[bytes | memoryview] = []
            for offset in range(0, total, room):
                buffers += (pack(CHUNK_WORD | offset, receiver, counter, total), sealed[offset : offset + room])
            self._outbox.transmits.append((path.endpoint, buffers, size))
        if kind == DATA:
            if now < self._sent_frames.keeps_until:
                self._sent_frames.keep(counter, sealed, now=now)
        elif datagram_size:
            self._sent_frames.may_be_lost(counter)
        path.tx_bytes += total
        self.budget.sent_datagrams += 1 + total // size
        path.liveness.sent(counter, now, wants_echo)

    def send_items(self, items: list[Item], *, now: float) -> None:
        """Queues control messages for the neighbour and sends what the channel's window lets through."""
        for item in items:
            if not self._control.send(encode_item(item)):
                self._control.restart(self._new_stream())
                self.peer_restarted = True  # the neighbour must be told everything again
                break
        self.flush_control(now=now)

    def flush_control(self, *, now: float) -> None:
        """Sends segments, resends and acknowledgements that are due."""
        path = self.active
        room = path.mtu.size - _SEALED_OVERHEAD
        while (body := self._control.next_segment(now=now, rto=path.rtt.rto, room=room)) is not None:
            plain = memoryview(bytearray(_FRAME_HEADER_BYTES + len(body)))
            plain[_FRAME_HEADER_BYTES:] = body
            carries_segment = CONTROL_HEADER.unpack_from(body)[1] != 0
            self.send_frame(CONTROL, plain, now=now, wants_echo=carries_segment)

    def close(self, reason: int, *, now: float) -> None:
        """Says goodbye."""
        plain = memoryview(bytearray(_FRAME_HEADER_BYTES + 1))
        plain[_FRAME_HEADER_BYTES] = reason
        self.send_frame(CLOSE, plain, now=now, wants_echo=False)

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float
    ) -> list[memoryview]:
        """Takes datagrams of equal size under one of our indices; returns the data frames whose turn has come, opened."""
        session = self._sessions.get(index)
        frames: list[memoryview] = []
        if session is None:
            self.not_opened += -(-len(burst) // segment_size)
            return frames
        self._take_burst(session, endpoint, burst, segment_size, frames, now)
        holes = session.holes
        if session.reassembly.held_bytes:
            holes.begun(session.reassembly.begun(), now=now, srtt=self.active.repair_rtt(now))
        if not holes.is_clean:
            self._mend(session, frames, now)
            self._outbox.urgent_at = min(self._outbox.urgent_at, holes.due_at)
        return frames

    def _take_burst(
        self,
        session: LinkSession,
        endpoint: Endpoint,
        burst: memoryview,
        segment_size: int,
        frames: list[memoryview],
        now: float,
    ) -> None:
        if burst[0] == FRAME:
            name = burst[_INDEX]
            for start in range(0, len(burst), segment_size):
                datagram = burst[start : start + segment_size]
                if datagram[0] == FRAME and datagram[_INDEX] == name:
                    self._open_whole(session, endpoint, datagram, frames, now)
                else:
                    self._receive_odd(endpoint, datagram, frames, now)
            return
        if not self._takes_chunks(endpoint):
            for start in range(0, len(burst), segment_size):
                self._receive_odd(endpoint, burst[start : start + segment_size], frames, now)
            return
        complete, odd = session.reassembly.add_burst(burst, segment_size)
        for datagram in odd:
            self._receive_odd(endpoint, datagram, frames, now)
        for counter, sealed in complete:
            head = FRAME_HEAD.pack(FRAME_WORD, session.keys.local_index, counter)
            self._open(session, endpoint, counter, head, sealed, frames, now)

    def _mend(self, session: LinkSession, frames: list[memoryview], now: float) -> None:
        """Asks for what is missing, if that is due; what has waited in vain is added to `frames`."""
        if session.holes.due_at <= now:
            path = self.active
            room = path.mtu.size - _HEAD_BYTES - TAG_BYTES
            plain = self._repair.request(session, srtt=path.repair_rtt(now), room=room, now=now, released=frames)
            if plain is not None:
                self.send_frame(REPAIR, plain, now=now, wants_echo=False)

    def _takes_chunks(self, endpoint: Endpoint) -> bool:
        """Tells whether long frames are taken from there: not before the path is validated."""
        path = self.paths.get(endpoint)
        return path is not None and path.is_validated

    def _receive_odd(self, endpoint: Endpoint, datagram: memoryview, frames: list[memoryview], now: float) -> None:
        """A whole frame among chunks, or chunks under another of our indices."""
        if len(datagram) <= _SEALED_OVERHEAD:
            self.malformed += 1
            return
        session = self._sessions.get(int.from_bytes(datagram[_INDEX], "big"))
        if session is None:
            self.not_opened += 1
        elif datagram[0] == FRAME:
            self._open_whole(session, endpoint, datagram, frames, now)
        elif datagram[0] == CHUNK and not self._takes_chunks(endpoint):
            self._refused_chunks += 1
        elif datagram[0] == CHUNK:
            for counter, sealed in session.reassembly.add_burst(datagram, len(datagram))[0]:
                head = FRAME_HEAD.pack(FRAME_WORD, session.keys.local_index, counter)
                self._open(session, endpoint, counter, head, sealed, frames, now)

    def _open_whole(
        self, session: LinkSession, endpoint: Endpoint, datagram: memoryview, frames: list[memoryview], now: float
    ) -> None:
        if len(datagram) < _SEALED_OVERHEAD:
            self.malformed += 1
            return
        _, _, counter = FRAME_HEAD.unpack_from(datagram)
        self._open(session, endpoint, counter, datagram[:_HEAD_BYTES], datagram[_HEAD_BYTES:], frames, now)

    def _open(
        self,
        session: LinkSession,
        endpoint: Endpoint,
        counter: int,
        head: memoryview | bytes,
        sealed: memoryview | bytes,
        frames: list[memoryview],
        now: float,
    ) -> None:
        """Opens a frame; a data frame is added to `frames`, unless it must wait, whatever else is handled here."""
        if len(sealed) < _FRAME_HEADER_BYTES + TAG_BYTES:
            self.malformed += 1
            return
        plain = self._outbox.take(len(sealed) - TAG_BYTES)
        if not session.opening.open_into(counter, sealed, head, plain):
            self.not_opened += 1
            return
        kind, number, distance, echo = FRAME_HEADER.unpack_from(plain)
        path = self.paths.get(endpoint)
        if path is None:
            path = self._meet_path(endpoint, number, now)
        path.peer_number = number
        path.note_arrival(session, counter)
        path.rx_bytes += len(sealed)
        session.last_opened = self.last_heard = now
        if session is not self.sending or session.message_3 is not None:
            self._heard_under(session, path, now)
        path.liveness.received(now, wants_echo=kind == DATA)
        if echo:
            path.liveness.echoed(echo, now)
        holes = session.holes
        if counter == holes.newest + 1 and holes.is_clean:
            holes.newest = counter
            if kind == DATA:
                frames.append(plain)
        else:
            holes.opened(counter, now=now, srtt=self.active.repair_rtt(now))
            session.reassembly.forget(counter)
            if kind == DATA:
                holes.admit(counter, distance, plain, frames)
            else:
                holes.settle(counter, frames)
        if kind != DATA:
            self._receive_other(kind, session, path, plain, now)

    def _receive_other(self, kind: int, session: LinkSession, path: Path, plain: memoryview, now: float) -> None:
        body = plain[_FRAME_HEADER_BYTES:]
        if kind == CONTROL:
            self._receive_control(session, body, now)
        elif kind == PROBE and len(body) >= PROBE_BODY.size:
            self._receive_probe(session, path, body, now)
        elif kind == REPAIR:
            self.active.tx_bytes += self._repair.answer(body, self.active, self.sending, now=now)
            self.budget.expendable = min(self.budget.expendable + self._repair.take_excused(), MOST_EXPENDABLE)
        elif kind == CLOSE:
            # One that comes late under old keys says nothing of a neighbour that has new ones.
            self.closed_by_peer |= session.established >= self.sending.established
        else:
            self.malformed += 1

    def _receive_control(self, session: LinkSession, body: memoryview, now: float) -> None:
        if self.cost is None:  # routing does not know the neighbour yet: it must say this again
            return
        has_newer_keys = session.established > self._control_keys_since
        self._control_keys_since = max(session.established, self._control_keys_since)
        try:
            blobs = self._control.receive(body, now=now, may_be_another=has_newer_keys)
        except DecodeError:
            self.malformed += 1
            return
        if self._control.take_peer_restart():
            self.peer_restarted = True
            self.items.clear()  # of the stream before
        if self._control.is_forgotten:
            self._control.restart(self._new_stream())
        for blob in blobs:
            try:
                self.items += decode_items(blob)
            except DecodeError:
                self.malformed += 1
        self.flush_control(now=now)

    # -- probes and paths ----------------------------------------------------------------------------------------------

    def _receive_probe(self, session: LinkSession, path: Path, body: memoryview, now: float) -> None:
        flags, token, origin, hold, opened, newest = PROBE_BODY.unpack_from(body)
        if 0 < newest < self.sending.sealing.counter & _MASK_32:  # not of keys that we sent under before
            self.budget.report(opened, newest, now)
            self.frame_limit = self.budget.limit
        if flags & PROBE_WANTS_REPLY:
            self._send_probe(path, now, flags=PROBE_IS_REPLY, token=token, origin=origin)
            if self.cost is None:  # it is back before we have asked again
                self._probe(path, now=now)
        elif flags & PROBE_IS_REPLY:
            self._receive_reply(session, path, token, now - origin / 1e6 - hold / 1e6, now)

    def _receive_reply(self, session: LinkSession, path: Path, token: int, rtt_s: float, now: float) -> None:
        size = path.probes.pop(token, None)
        if size is None:
            return
        path.rtt.sample(rtt_s, now=now)
        if path.rtt.srtt is None:  # a time that can't be
            self.malformed += 1
            return
        if size:
            path.mtu.acknowledged(size, now)
            self.budget.expendable = max(self.budget.expendable - 1, 0)
            if path is self.active:
                self.budget.set_floor(path.mtu.size - _HEAD_BYTES - TAG_BYTES)
                self.frame_limit = self.budget.limit
        else:
            path.liveness.probe_answered(now)
        if not path.is_validated:
            path.is_validated = True
            self._settle_path(path, now)
        if self.active.liveness.state is not PathState.ALIVE:
            self.active = path  # it has just answered
        if path is self.active:
            cost = self._cost.update(link_cost(path.rtt.minimum(now=now), self.budget.datagram_loss), now)
            if cost is not None:
                self.cost_changed = cost != self.cost
                self.cost = cost
                self._burst = ProbeBurst()  # it may have further to go
            self._burst.judge(is_doubtful=self._cost.is_doubtful, now=now)

    def _probe(self, path: Path, *, now: float, size: int = 0) -> None:
        """Asks for an answer over a path; with `size` by a datagram of so many bytes."""
        token = self._next_token
        self._next_token = token + 1 & _MASK_32
        path.probes[token] = size
        self.budget.expendable += size > 0
        if len(path.probes) > _PROBES_REMEMBERED:
            del path.probes[next(iter(path.probes))]
        self._send_probe(path, now, flags=PROBE_WANTS_REPLY, token=token, origin=int(now * 1e6), size=size)

    def _send_probe(
        self, path: Path, now: float, *, flags: int, token: int = 0, origin: int = 0, size: int = 0
    ) -> None:
        plain = memoryview(bytearray(max(size - _HEAD_BYTES - TAG_BYTES, _FRAME_HEADER_BYTES + PROBE_BODY.size)))
        opened, newest = path.arrivals
        PROBE_BODY.pack_into(plain, _FRAME_HEADER_BYTES, flags, token, origin, 0, opened, newest)
        wants_echo = flags == PROBE_WANTS_REPLY and not size  # a probe that is too long says nothing of the path's life
        self.send_frame(PROBE, plain, now=now, path=path, wants_echo=wants_echo, datagram_size=size)

    def _add_path(self, endpoint: Endpoint, *, is_validated: bool, now: float) -> Path:
        path = Path(self._next_path_number, endpoint, is_validated=is_validated, now=now)
        self._next_path_number = self._next_path_number + 1 & 0xFF
        self.paths[endpoint] = path
        if len(self.paths) > PATHS_PER_LINK:  # unproven ones give way first, then the oldest
            spare = [other for other in self.paths.values() if other is not path and other is not self.active]
            del self.paths[min(spare, key=lambda other: other.is_validated).endpoint]
        return path

    def _meet_path(self, endpoint: Endpoint, number: int, now: float) -> Path:
        """An authentic frame came from an address that is new: ask there, and believe in it when the answer comes.

        If new is only which address of ours it reached, that is where the kernel has begun to send from.
        """
        known = self.paths.pop(endpoint._replace(local=b""), None)
        if known is not None:
            known.endpoint = endpoint
            self.paths[endpoint] = known
            return known
        path = self._add_path(endpoint, is_validated=False, now=now)
        path.peer_number = number
        self._probe(path, now=now)
        return path

    def _settle_path(self, path: Path, now: float) -> None:
        """A path has proved itself. If the neighbour calls it by the number of the one in use, its address has changed."""
        moved = self.active.peer_number == path.peer_number and path is not self.active
        if moved or self.active.liveness.state is PathState.DEAD:
            old, self.active = self.active, path
            if moved:
                del self.paths[old.endpoint]

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> list[memoryview]:
        """Probes, resends, and sees to keys and paths; returns data frames that have waited in vain for earlier ones."""
        released: list[memoryview] = []
        for session in self._sessions.values():
            self._mend(session, released, now)
        for path in list(self.paths.values()):
            action = path.liveness.handle_timeout(now)
            if action is Action.PROBE:
                self._probe(path, now=now)
            elif action is Action.ECHO:
                self._send_probe(path, now, flags=0)
            size = path.mtu.probe_to_send(now) if path.is_validated and path.rtt.srtt is not None else None
            if size is not None:
                self._probe(path, now=now, size=size)
        if self._burst.take_due(now):
            self._probe(self.active, now=now)
        self._look_for_another_path(now)
        self.flush_control(now=now)
        for index, session in list(self._sessions.items()):
            self._keep_session(index, session, now)
        return released

    def next_deadline(self) -> float:
        """When `handle_timeout` is wanted next."""
        deadline = min(self._control.next_deadline(self.active.rtt.rto), self._burst.due_at)
        for path in self.paths.values():
            deadline = min(deadline, path.liveness.next_deadline())
            if path.is_validated and path.rtt.srtt is not None:
                deadline = min(deadline, path.mtu.next_deadline())
        for session in self._sessions.values():
            deadline = min(
                deadline, session.holes.due_at, session.message_3_due if session.message_3 is not None else inf
            )
        return deadline

    def silent_since(self) -> float:
        """Since when the neighbour owes us an answer on the path in use; infinity where it owes none."""
        return self.active.liveness.silent_since

    def wants_new_keys(self, now: float) -> bool:
        """Tells whether the node should begin a handshake over the path in use."""
        return self.sending.wants_new_keys(now)

    def counters(self) -> dict[str, int]:
        """What was dropped of all that came under our indices."""
        parts = [session.reassembly for session in self._sessions.values()]
        return {
            "frames_malformed": self.malformed + self._repair.malformed,
            "frames_not_opened": self.not_opened,
            "frames_incomplete": self._evicted_frames + sum(part.evicted_frames for part in parts),
            "chunks_refused": self._refused_chunks + sum(part.refused_chunks for part in parts),
            **self._repair.counters(session.holes for session in self._sessions.values()),
        }

    def went_down(self, *, now: float) -> None:
        """Called once routing was told that the neighbour is gone: what is queued for it is void, knocking begins.

        Who has left is not knocked at: it may have us in its peer list no more.
        """
        self._control.restart(self._new_stream())
        self.items.clear()
        self.cost = None
        self._cost = PublishedCost()
        self._redial_at = inf if self.closed_by_peer else now
        self._redial_wait = FIRST_REDIAL_S

    def take_redial(self, now: float) -> bool:
        """Tells whether the node should knock where the neighbour was last; with back-off."""
        if now < self._redial_at:
            return False
        self._redial_at = now + self._redial_wait
        self._redial_wait *= 1.5
        return True

    def sweep(self, *, now: float) -> None:
        """Forgets frames that have long been in parts, and judges how busy the link is; to be called every second."""
        for session in self._sessions.values():
            session.reassembly.sweep()
        self._sent_frames.sweep(now=now)
        carried = sum(path.tx_bytes + path.rx_bytes for path in self.paths.values())
        is_busy = carried - self._carried > BUSY_BYTES_PER_S
        self._carried = carried
        if self.budget.missed > self._missed:  # perhaps all that were long
            self._missed = self.budget.missed
            self.active.mtu.doubt(now)
        for path in list(self.paths.values()):
            if not path.is_validated and path.liveness.state is PathState.DEAD:
                del self.paths[path.endpoint]
            path.liveness.set_role(Role.SPARE if path is not self.active else Role.BUSY if is_busy else Role.SELECTED)

    def drop_all(self) -> None:
        """Gives back what the link holds; it is over."""
        for index in self.indices:
            self._drop_session(index)
        self._sent_frames.clear()

    def probe_all(self, *, now: float) -> None:
        """Something about our addresses has changed: ask on every path, and look for the size of each afresh.

        The kernel chooses anew which address to send from: the one used so far may be gone.
        """
        paths = sorted(self.paths.values(), key=lambda path: path is self.active)
        self.paths.clear()
        for path in paths:
            path.endpoint = path.endpoint._replace(local=b"")
            self.paths[path.endpoint] = path
        for path in self.paths.values():
            path.mtu.reset(now)
            self._probe(path, now=now)

    def _look_for_another_path(self, now: float) -> None:
        """While the path in use is in doubt the spare ones are asked; the first that answers takes over."""
        if self.active.liveness.state is PathState.ALIVE:
            return
        for path in self.paths.values():
            if path is not self.active and path.is_validated:
                path.liveness.doubt(now)

    def _keep_session(self, index: int, session: LinkSession, now: float) -> None:
        if session.message_3 is not None and now >= session.message_3_due:
            if now > session.established + MESSAGE_3_PATIENCE_S:
                session.message_3 = None
                return
            session.message_3_due = now + MESSAGE_3_AGAIN_S
            data = memoryview(session.message_3)
            self._outbox.transmits.append((session.endpoint, [data], len(data)))
        if session is not self.sending and now - session.last_opened > IDLE_KEYS_KEPT_S:
            self._drop_session(index)
