"""The frames of a link: the only place where they are sealed, cut into datagrams, reassembled and opened.

    send:     header with the acknowledgement -> sealed -> one datagram, or chunks of the path's size -> outbox
    receive:  chunks reassembled -> opened -> data frames returned, in the order of their flows; other kinds handed to the owner
    reserve:  room in the data frame that is being filled, which `commit` sends

Nothing but a frame that opens has any effect on window, path, acknowledgement or liveness. This file is the data path.
"""

from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from mycelium.channel.frame_budget import FrameBudget
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.limits import DATAGRAM_FLOOR, FRAME_PLAINTEXT
from mycelium.link.congestion import pass_on_mark
from mycelium.link.counters import LinkCounters
from mycelium.link.fold import ROW, Folding, folded_bytes, shape_of
from mycelium.link.keypair import LinkKeypair
from mycelium.link.keypairs import Keypairs
from mycelium.link.path.path import Path
from mycelium.link.path.paths import Paths
from mycelium.link.repair.repair import Repair
from mycelium.outbox import Outbox
from mycelium.wire.datagram import CHUNK, FRAME, FRAME_HEAD, FRAME_WORD, SIZE_PROBE, TAG_BYTES
from mycelium.wire.frame import DATA, FRAME_HEADER, OF_TRAINS, PROOF, RATE, RATE_BODY, REPAIR, write_rate

HEAD_BYTES: Final = FRAME_HEAD.size
FRAME_HEADER_BYTES: Final = FRAME_HEADER.size
SEALED_OVERHEAD: Final = HEAD_BYTES + FRAME_HEADER_BYTES + TAG_BYTES
MASK_32: Final = 0xFFFF_FFFF
_INDEX: Final = slice(4, 8)  # where a datagram has the receiver's index


class FrameOwner(Protocol):
    """Who is told, at once, of what concerns more than a frame's own bytes."""

    def keypair_heard(self, keypair: LinkKeypair, path: Path, *, now: float) -> None:
        """A frame was opened under a keypair that is not confirmed, or that this node does not send under."""

    def frame_opened(self, kind: int, keypair: LinkKeypair, path: Path, body: memoryview, *, now: float) -> None:
        """A frame was opened that carries no data."""

    def size_probe_arrived(self, keypair: LinkKeypair, path: Path, datagram: memoryview, *, now: float) -> None:
        """A size probe arrived over a known path; it is not opened yet."""


class Frames:
    """Seals and opens what passes between this node and one neighbour."""

    __slots__ = (
        "_arm",
        "_filled_class",
        "_filling",
        "_flow_order",
        "_folding",
        "_outbox",
        "_owner",
        "_path_by_endpoint",
        "_sent_frames",
        "_transmits",
        "budget",
        "counters",
        "due_at",
        "early",
        "filled_bytes",
        "keypairs",
        "last_heard",
        "paths",
        "repair",
        "takes_unsealed",
        "waited_s",
    )

    def __init__(
        self,
        owner: FrameOwner,
        *,
        keypairs: Keypairs,
        paths: Paths,
        repair: Repair,
        counters: LinkCounters,
        outbox: Outbox,
        arm: Callable[[float], None],
        now: float,
    ) -> None:
        self.keypairs = keypairs
        self.paths = paths
        self.repair = repair
        self.budget = FrameBudget(floor=DATAGRAM_FLOOR - HEAD_BYTES - TAG_BYTES, now=now)
        self.filled_bytes = 0  # length of the data frame that is being filled; 0 where there is none
        self.waited_s = 0.0  # how long the datagrams that are being received had waited for this process
        self.last_heard = now
        self.takes_unsealed = False  # whether the neighbour does: older versions do not
        self.counters = counters
        self.early: list[memoryview] = []  # data frames that have waited for a proof, and whose turn has come
        self.due_at = inf  # the deadline of the link that `arm` was told last; the true one is never earlier
        self._arm, self._owner = arm, owner
        self._outbox, self._transmits = outbox, outbox.transmits
        self._path_by_endpoint = paths.by_endpoint
        self._flow_order, self._sent_frames = repair.order, repair.sent
        self._filling, self._folding = memoryview(b""), Folding()
        self._filled_class = 0

    def arm(self, deadline: float) -> None:
        """Passes on a deadline that is earlier than what was passed on before."""
        if deadline < self.due_at:
            self.due_at = deadline
            self._arm(deadline)

    def rearm(self, arm: Callable[[float], None], deadline: float) -> None:
        """Passes deadlines on to another owner, this one first."""
        self._arm = arm
        self.due_at = inf
        self.arm(deadline)

    # -- sending -------------------------------------------------------------------------------------------------------

    def send_under(self, keypair: LinkKeypair) -> None:
        """Seals under this keypair from now on. Its counters start at 1, so everything that refers to counters starts anew."""
        self.keypairs.sending = keypair
        self.budget.restart_counters()
        self.repair.restart_counters()
        self.paths.restart_counters()

    def reserve(self, length: int, traffic_class: int, *, now: float) -> tuple[memoryview, int]:
        """Returns the data frame that is being filled, and where in it to write the next `length` bytes.

        A frame that has no room for them, or is of another traffic class, is sent first.
        """
        used = self.filled_bytes
        if used and (used + length > self.budget.limit or traffic_class != self._filled_class):
            self.commit(now=now)
            used = 0
        if not used:
            room = FRAME_HEADER_BYTES + length
            self._filling = self._outbox.take(room if room > FRAME_PLAINTEXT else FRAME_PLAINTEXT)
            self._filled_class = traffic_class
            used = FRAME_HEADER_BYTES
        self.filled_bytes = used + length
        return self._filling, used

    def commit(self, *, now: float) -> None:
        """Sends the data frame that is being filled, if there is one."""
        used = self.filled_bytes
        if used:
            self.filled_bytes = 0
            self.send(DATA, self._filling[:used], traffic_class=self._filled_class, now=now)

    def send(
        self,
        kind: int,
        plain: memoryview,
        *,
        path: Path | None = None,
        wants_ack: bool = True,
        traffic_class: int = 0,
        now: float,
    ) -> None:
        """Seals one frame and puts its datagrams into the outbox.

        `plain` begins with room for the frame header, which is written here. Datagrams have the size that the path is known to
        carry.
        """
        if path is None:
            path = self.paths.active
        keypair, is_data = self.keypairs.sending, kind in OF_TRAINS
        sealing, receiver = keypair.sealing, keypair.remote_index
        counter = sealing.counter
        distance = self._flow_order.distance(counter, plain) if is_data else 0
        FRAME_HEADER.pack_into(plain, 0, kind, path.number, distance, path.newest & MASK_32)
        total, size = len(plain) + TAG_BYTES, path.mtu.size
        shape = None if HEAD_BYTES + total <= size else shape_of(total, size)
        length, start = (HEAD_BYTES + total, HEAD_BYTES) if shape is None else (folded_bytes(shape), ROW)
        block = self._outbox.take(length)
        head = FRAME_HEAD.pack(FRAME_WORD, receiver, counter)
        try:
            sealing.seal_into(counter, plain, head, block[start : start + total])
        except LocalError:  # the key is used up: nothing leaves until a handshake brings a new keypair
            path.liveness.sent(counter - 1, wants_ack=False, now=now)
            return
        if shape is None:
            block[:HEAD_BYTES] = head
            self._transmits.append((path.endpoint, [block], length, is_data, traffic_class))
        else:
            self._folding.fold(block, shape, receiver, counter, keypair.sent_tags.of(counter))
            self._transmits.append((path.endpoint, [block], shape[1] + ROW, is_data, traffic_class))
        path.tx_bytes += length
        if is_data and now < (self._sent_frames.keeps_until if shape is None else self._sent_frames.keeps_long_until):
            self._sent_frames.keep(counter, bytes(block[HEAD_BYTES:] if shape is None else block), shape, now=now)
        self.budget.sent(total, 1 + total // size)
        liveness = path.liveness
        liveness.sent(counter, wants_ack=wants_ack, now=now)
        if liveness.deadline < self.due_at:
            self.arm(liveness.deadline)

    def send_under_any(self, keypair: LinkKeypair, kind: int, body: bytes, *, now: float) -> None:
        """Seals a short frame under a keypair that may not be the one in use, to where its handshake was."""
        plain = memoryview(bytearray(FRAME_HEADER_BYTES) + body)
        path = self._path_by_endpoint.get(keypair.endpoint, self.paths.active)
        if keypair.sealing.is_worn_out:
            return
        if keypair is self.keypairs.sending:
            self.send(kind, plain, path=path, wants_ack=False, now=now)
            return
        FRAME_HEADER.pack_into(plain, 0, kind, path.number, 0, 0)
        head = FRAME_HEAD.pack(FRAME_WORD, keypair.remote_index, counter := keypair.sealing.counter)
        datagram = memoryview(bytearray(head) + bytearray(len(plain) + TAG_BYTES))
        keypair.sealing.seal_into(counter, plain, head, datagram[HEAD_BYTES:])
        path.tx_bytes += len(datagram)
        self.transmit(path, datagram)

    def transmit(self, path: Path, datagram: memoryview) -> None:
        """Puts one datagram that is no frame into the outbox."""
        self._transmits.append((path.endpoint, [datagram], len(datagram), False, 0))

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(
        self, index: int, endpoint: Endpoint, burst: memoryview, segment_size: int, *, waited_s: float, now: float
    ) -> list[memoryview]:
        """Takes datagrams of equal size under one of our indices; returns the data frames whose turn has come, opened.

        A burst that may be written to is left changed: frames are opened where they lie.
        """
        self.waited_s = waited_s
        keypair = self.keypairs.by_index.get(index)
        frames: list[memoryview] = []
        if keypair is None:
            self.counters.frames_not_opened += -(-len(burst) // segment_size)
            return frames
        if burst[0] == FRAME and len(burst) <= segment_size:
            self._open_whole(keypair, endpoint, burst, frames, now=now)
        else:
            self._take_burst(keypair, endpoint, burst, segment_size, frames, now=now)
        if keypair.reassembly.held_bytes:
            started, srtt = keypair.reassembly.started(), self.paths.active.repair_rtt(now=now)
            keypair.gaps.started(started, srtt=srtt, now=now)
        if not keypair.gaps.is_clean:
            if not keypair.gaps.is_late(now=now):  # else the timer has all read first that arrived meanwhile
                self._request_repair(keypair, frames, now=now)
            self.arm(keypair.gaps.due_at)
        return frames

    def request_repairs(self, *, now: float) -> list[memoryview]:
        """Asks for what is missing, where that is due; returns data frames that need not wait any longer."""
        released, self.early = self.early, []
        for keypair in self.keypairs.by_index.values():
            self._request_repair(keypair, released, now=now)
        return released

    def _request_repair(self, keypair: LinkKeypair, released: list[memoryview], *, now: float) -> None:
        if keypair.gaps.due_at <= now:
            path = self.paths.active
            keypair.gaps.least_answer_s = path.rtt.minimum(now=now)
            room = path.mtu.least - HEAD_BYTES - TAG_BYTES  # long requests would not arrive where long frames do not
            plain = self.repair.request(keypair, srtt=path.repair_rtt(now=now), room=room, released=released, now=now)
            if plain is not None:
                self.send(REPAIR, plain, wants_ack=False, now=now)

    def _take_burst(
        self,
        keypair: LinkKeypair,
        endpoint: Endpoint,
        burst: memoryview,
        segment_size: int,
        frames: list[memoryview],
        *,
        now: float,
    ) -> None:
        if burst[0] == FRAME:
            name = burst[_INDEX]
            for start in range(0, len(burst), segment_size):
                datagram = burst[start : start + segment_size]
                if datagram[0] == FRAME and datagram[_INDEX] == name:
                    self._open_whole(keypair, endpoint, datagram, frames, now=now)
                else:
                    self._receive_odd(endpoint, datagram, frames, now=now)
            return
        path = self._path_by_endpoint.get(endpoint)
        if path is None or not path.is_validated:
            for start in range(0, len(burst), segment_size):
                self._receive_odd(endpoint, burst[start : start + segment_size], frames, now=now)
            return
        reassembly = keypair.reassembly
        reassembly.arrived_at = now
        complete, odd = reassembly.add_burst(burst, segment_size)
        for datagram in odd:
            self._receive_odd(endpoint, datagram, frames, now=now)
        for counter, sealed in complete:
            head = FRAME_HEAD.pack(FRAME_WORD, keypair.local_index, counter)
            self._open(keypair, endpoint, counter, head, sealed, frames, now=now)
        if reassembly.dispersion.slow_rate:
            plain = memoryview(bytearray(FRAME_HEADER_BYTES + RATE_BODY.size))
            write_rate(plain, reassembly.dispersion.take())
            self.send(RATE, plain, wants_ack=False, now=now)

    def _receive_odd(self, endpoint: Endpoint, datagram: memoryview, frames: list[memoryview], *, now: float) -> None:
        """Takes a size probe, a whole frame that arrived among chunks, or a datagram under another of our indices."""
        if len(datagram) < SEALED_OVERHEAD:
            self.counters.frames_malformed += 1
            return
        keypair = self.keypairs.by_index.get(int.from_bytes(datagram[_INDEX], "big"))
        if keypair is None:
            self.counters.frames_not_opened += 1
        elif datagram[0] == FRAME:
            self._open_whole(keypair, endpoint, datagram, frames, now=now)
        elif datagram[0] == SIZE_PROBE:
            path = self._path_by_endpoint.get(endpoint)
            if path is not None:
                self._owner.size_probe_arrived(keypair, path, datagram, now=now)
        elif datagram[0] == CHUNK and not self.paths.is_validated(endpoint):
            self.counters.chunks_refused += 1
        elif datagram[0] == CHUNK:
            for counter, sealed in keypair.reassembly.add_burst(datagram, len(datagram))[0]:
                head = FRAME_HEAD.pack(FRAME_WORD, keypair.local_index, counter)
                self._open(keypair, endpoint, counter, head, sealed, frames, now=now)

    def _open_whole(
        self,
        keypair: LinkKeypair,
        endpoint: Endpoint,
        datagram: memoryview,
        frames: list[memoryview],
        *,
        now: float,
    ) -> None:
        if len(datagram) < SEALED_OVERHEAD:
            self.counters.frames_malformed += 1
            return
        _, _, counter = FRAME_HEAD.unpack_from(datagram)
        self._open(keypair, endpoint, counter, datagram[:HEAD_BYTES], datagram[HEAD_BYTES:], frames, now=now)

    def _open(
        self,
        keypair: LinkKeypair,
        endpoint: Endpoint,
        counter: int,
        head: memoryview | bytes,
        sealed: memoryview,
        frames: list[memoryview],
        *,
        now: float,
    ) -> None:
        """Opens a frame where it lies. A data frame is added to `frames`, unless it must wait; another is the owner's."""
        if len(sealed) < FRAME_HEADER_BYTES + TAG_BYTES:
            self.counters.frames_malformed += 1
            return
        plain = self._outbox.take(len(sealed) - TAG_BYTES) if sealed.readonly else sealed[:-TAG_BYTES]
        if not keypair.opening.open_into(counter, sealed, head, plain):
            self.counters.frames_not_opened += 1
            return
        if keypair.awaited is not None:
            frames += self._take_unproved(keypair, endpoint, counter, plain, now=now)
            return
        kind, number, distance, ack = FRAME_HEADER.unpack_from(plain)
        is_data = kind in OF_TRAINS
        path = self._path_by_endpoint.get(endpoint) or self.paths.meet(endpoint, number, now=now)
        path.peer_number = number
        path.note_arrival(keypair, counter, len(sealed))
        keypair.last_opened = self.last_heard = now
        if keypair is not self.keypairs.sending or keypair.message_3 is not None:
            self._owner.keypair_heard(keypair, path, now=now)
        deadline = path.liveness.received(ack=ack, wants_ack=is_data, now=now)
        if deadline < self.due_at:
            self.arm(deadline)
        if keypair.marked:
            pass_on_mark(keypair, counter, plain)
        gaps = keypair.gaps
        if counter == gaps.newest + 1 and gaps.is_clean:
            gaps.newest = counter
            if is_data:
                frames.append(plain)
        else:
            gaps.opened(counter, srtt=self.paths.active.repair_rtt(now=now), now=now)
            keypair.reassembly.forget(counter)
            if is_data:
                gaps.admit(counter, distance, plain, frames)
            else:
                gaps.release_after(counter, frames)
            self.arm(gaps.due_at)
        if not is_data:
            self._owner.frame_opened(kind, keypair, path, plain[FRAME_HEADER_BYTES:], now=now)

    def _take_unproved(
        self, keypair: LinkKeypair, endpoint: Endpoint, counter: int, plain: memoryview, *, now: float
    ) -> list[memoryview]:
        """Takes a frame under a keypair for which a proof is owed, before which none has an effect; returns data then."""
        awaited = keypair.opened_unproved(counter, now=now)
        if plain[0] == PROOF:
            path = self._path_by_endpoint.get(endpoint, self.paths.active)
            self._owner.frame_opened(PROOF, keypair, path, plain[FRAME_HEADER_BYTES:], now=now)
            released, self.early = self.early, []
            return released
        pass_on_mark(keypair, counter, plain)
        if plain[0] not in OF_TRAINS or not awaited.keep(plain, now=now):
            self.counters.frames_unproved += 1
        return []
