"""The frames of a link: the keys and paths that it has, and the only place where frames are sealed, cut, put together, opened.

    send_frame: header with the echo -> seal -> one datagram, or chunks of the path's size -> outbox
    receive:    chunks put together -> opened -> data frames returned, in the order of their flows; the rest handed on

Only a frame that opens moves anything: window, path, echo, liveness. This file is the data path.
"""

from typing import Final

from mycelium.channel.frame_budget import FrameBudget
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import DATAGRAM_FLOOR, PATHS_PER_LINK
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.path import Path
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.repair import Repair, RepairBudgets
from mycelium.outbox import Outbox
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
    DATA,
    FRAME_HEADER,
    REPAIR,
)

SESSIONS_PER_LINK: Final = 4
HEAD_BYTES: Final = FRAME_HEAD.size
FRAME_HEADER_BYTES: Final = FRAME_HEADER.size
SEALED_OVERHEAD: Final = HEAD_BYTES + FRAME_HEADER_BYTES + TAG_BYTES
MASK_32: Final = 0xFFFF_FFFF
_INDEX: Final = slice(4, 8)  # of a datagram: the receiver's index


class LinkFrames:
    """Seals and opens what passes between us and one neighbour; what the frames say is for `node.link`.

    `frame` and `frame_used` are the data frame that is being filled for the neighbour, by `node.sending`.
    """

    __slots__ = (
        "_evicted_frames",
        "_flow_order",
        "_next_path_number",
        "_outbox",
        "_own_exchange_key",
        "_partial_budget",
        "_refused_chunks",
        "_repair",
        "_repair_budgets",
        "_sent_frames",
        "_sessions",
        "_waited_s",
        "active",
        "budget",
        "frame",
        "frame_limit",
        "frame_used",
        "last_heard",
        "malformed",
        "not_opened",
        "paths",
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
        now: float,
    ) -> None:
        self._own_exchange_key = own_exchange_key
        self._waited_s = 0.0  # how long what is being received had waited for us
        self._outbox = outbox
        self._partial_budget = partial_budget
        self._repair_budgets = repair_budgets
        self._repair = Repair(repair_budgets, outbox)
        self._flow_order = self._repair.order
        self._sent_frames = self._repair.sent
        self._sessions: dict[int, LinkKeypair] = {}  # by our index, oldest first
        self._next_path_number = 0
        self._refused_chunks = 0  # of sessions that have ended
        self._evicted_frames = 0
        self.budget = FrameBudget(floor=DATAGRAM_FLOOR - HEAD_BYTES - TAG_BYTES, now=now)
        self.frame_limit = self.budget.limit
        self.frame: memoryview | None = None
        self.frame_used = 0
        self.last_heard = now
        self.malformed = 0
        self.not_opened = 0
        self.paths: dict[Endpoint, Path] = {}
        self.active = self._add_path(completed.endpoint, is_validated=True, now=now)
        self.sending = self._add_session(completed, now)

    @property
    def indices(self) -> list[int]:
        """Our indices under which the neighbour may send."""
        return list(self._sessions)

    def holds(self, index: int) -> bool:
        """Tells whether the neighbour may send under this index of ours."""
        return index in self._sessions

    # -- keys and paths -----------------------------------------------------------------------------------------------

    def _add_session(self, completed: Completed, now: float) -> LinkKeypair:
        session = LinkKeypair(completed, self._partial_budget, self._repair_budgets.held, now=now)
        self._sessions[completed.keys.local_index] = session
        for index, old in list(self._sessions.items()):
            if len(self._sessions) > SESSIONS_PER_LINK and old is not session and old is not self.sending:
                self._drop_session(index)
        return session

    def _send_under(self, session: LinkKeypair) -> None:
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

    def _add_path(self, endpoint: Endpoint, *, is_validated: bool, now: float) -> Path:
        path = Path(self._next_path_number, endpoint, is_validated=is_validated, now=now)
        self._next_path_number = self._next_path_number + 1 & 0xFF
        self.paths[endpoint] = path
        if len(self.paths) > PATHS_PER_LINK:  # unproven ones give way first, then the oldest
            spare = [other for other in self.paths.values() if other is not path and other is not self.active]
            del self.paths[min(spare, key=lambda other: other.is_validated).endpoint]
        return path

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

    def drop_all(self) -> None:
        """Gives back what the link holds; it is over."""
        for index in self.indices:
            self._drop_session(index)
        self._sent_frames.clear()

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
        receiver = session.remote_index
        distance = self._flow_order.distance(counter, plain) if kind == DATA else 0
        FRAME_HEADER.pack_into(plain, 0, kind, path.number, distance, path.newest & MASK_32)
        total = len(plain) + TAG_BYTES
        block = self._outbox.take(HEAD_BYTES + total)
        sealed = block[HEAD_BYTES:]
        FRAME_HEAD.pack_into(block, 0, FRAME_WORD, receiver, counter)
        try:
            sealing.seal_into(counter, plain, block[:HEAD_BYTES], sealed)
        except LocalError:  # worn out: nothing leaves until a handshake brings new keys
            path.liveness.sent(counter - 1, now, False)
            return
        size = datagram_size or path.mtu.size
        if HEAD_BYTES + total <= size:
            self._outbox.transmits.append((path.endpoint, [block], HEAD_BYTES + total, kind == DATA))
        else:
            room = size - CHUNK_HEAD.size
            pack = CHUNK_HEAD.pack
            buffers: list[bytes | memoryview] = []
            for offset in range(0, total, room):
                buffers += (pack(CHUNK_WORD | offset, receiver, counter, total), sealed[offset : offset + room])
            self._outbox.transmits.append((path.endpoint, buffers, size, kind == DATA))
        if kind == DATA:
            if now < self._sent_frames.keeps_until:
                self._sent_frames.keep(counter, sealed, now=now)
        elif datagram_size:
            self._sent_frames.may_be_lost(counter)
        path.tx_bytes += total
        self.budget.sent_datagrams += 1 + total // size
        path.liveness.sent(counter, now, wants_echo)

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float
    ) -> list[memoryview]:
        """Takes datagrams of equal size under one of our indices; returns the data frames whose turn has come, opened."""
        self._waited_s = waited_s
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
        session: LinkKeypair,
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
            head = FRAME_HEAD.pack(FRAME_WORD, session.local_index, counter)
            self._open(session, endpoint, counter, head, sealed, frames, now)

    def _mend(self, session: LinkKeypair, frames: list[memoryview], now: float) -> None:
        """Asks for what is missing, if that is due; what has waited in vain is added to `frames`."""
        if session.holes.due_at <= now:
            path = self.active
            room = path.mtu.size - HEAD_BYTES - TAG_BYTES
            plain = self._repair.request(session, srtt=path.repair_rtt(now), room=room, now=now, released=frames)
            if plain is not None:
                self.send_frame(REPAIR, plain, now=now, wants_echo=False)

    def _takes_chunks(self, endpoint: Endpoint) -> bool:
        """Tells whether long frames are taken from there: not before the path is validated."""
        path = self.paths.get(endpoint)
        return path is not None and path.is_validated

    def _receive_odd(self, endpoint: Endpoint, datagram: memoryview, frames: list[memoryview], now: float) -> None:
        """A whole frame among chunks, or chunks under another of our indices."""
        if len(datagram) <= SEALED_OVERHEAD:
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
                head = FRAME_HEAD.pack(FRAME_WORD, session.local_index, counter)
                self._open(session, endpoint, counter, head, sealed, frames, now)

    def _open_whole(
        self, session: LinkKeypair, endpoint: Endpoint, datagram: memoryview, frames: list[memoryview], now: float
    ) -> None:
        if len(datagram) < SEALED_OVERHEAD:
            self.malformed += 1
            return
        _, _, counter = FRAME_HEAD.unpack_from(datagram)
        self._open(session, endpoint, counter, datagram[:HEAD_BYTES], datagram[HEAD_BYTES:], frames, now)

    def _open(
        self,
        session: LinkKeypair,
        endpoint: Endpoint,
        counter: int,
        head: memoryview | bytes,
        sealed: memoryview | bytes,
        frames: list[memoryview],
        now: float,
    ) -> None:
        """Opens a frame; a data frame is added to `frames`, unless it must wait, whatever else is handled here."""
        if len(sealed) < FRAME_HEADER_BYTES + TAG_BYTES:
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

    # -- what the link makes of frames, in `node.link` -----------------------------------------------------------------

    def _meet_path(self, endpoint: Endpoint, number: int, now: float) -> Path:
        """An authentic frame came from an address that is new."""
        raise NotImplementedError

    def _heard_under(self, session: LinkKeypair, path: Path, now: float) -> None:
        """A frame came under keys that the neighbour had not used before, or that we do not send under."""
        raise NotImplementedError

    def _receive_other(self, kind: int, session: LinkKeypair, path: Path, plain: memoryview, now: float) -> None:
        """A frame came that carries no data."""
        raise NotImplementedError
