"""Control messages of one link: encoded into the control channel, whose segments travel in frames, and decoded on arrival."""

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

from mycelium.errors import DecodeError
from mycelium.link.budgets import Intake
from mycelium.link.control_channel import ControlChannel
from mycelium.link.frames import FRAME_HEADER_BYTES, SEALED_OVERHEAD, Frames
from mycelium.link.keypair import LinkKeypair
from mycelium.wire.control import Encode, Item, decode_items, encode_item
from mycelium.wire.frame import CONTROL, CONTROL_HEADER


class Received(NamedTuple):
    """What a control frame brought: messages in order, and whether the neighbour has lost all that it was told before."""

    items: list[Item]
    is_reset: bool


class ControlStream:
    """Both directions. `new_stream` gives a number above all earlier ones of this node."""

    __slots__ = ("_channel", "_frames", "_has_lost", "_keypair_established", "_new_stream", "intake")

    def __init__(self, frames: Frames, intake: Intake, *, new_stream: Callable[[], int]) -> None:
        self._frames = frames
        self._new_stream = new_stream
        self.intake = intake
        self._channel = ControlChannel(new_stream())
        self._has_lost = False  # whether the stream before ended unacknowledged; not once anything is said in this one
        self._keypair_established = -inf  # of the newest keypair that the neighbour's present stream arrived under

    @property
    def untaken_bytes(self) -> int:
        """Bytes of messages that the neighbour has not acknowledged.

        While nothing is said in a stream, it is 1 if any of the stream before were dropped: these are no backlog of this one.
        """
        return self._channel.queued_bytes or int(self._has_lost)

    def send(self, items: Sequence[Item], *, encode: Encode = encode_item, now: float) -> bool:
        """Queues messages and sends what the channel's window allows.

        Returns False, and drops all that was queued, for a neighbour that is too slow: it must be told everything again.
        """
        self._has_lost = False
        is_taken = all(self._channel.send(encode(item)) for item in items)
        if not is_taken:
            self.restart()
        self.flush(now=now)
        return is_taken

    def restart(self) -> None:
        """Drops what is queued, and starts another stream."""
        self._has_lost = self.untaken_bytes > 0
        self._channel.restart(self._new_stream())

    def resend(self) -> None:
        """Has `flush` send again what the neighbour has not acknowledged: the path had failed."""
        self._channel.resend()

    def flush(self, *, now: float) -> None:
        """Sends segments, resends and acknowledgements that are due."""
        path = self._frames.paths.active
        room = path.mtu.size - SEALED_OVERHEAD
        while (body := self._channel.next_segment(now=now, rto=path.rtt.rto, room=room)) is not None:
            plain = memoryview(bytearray(FRAME_HEADER_BYTES + len(body)))
            plain[FRAME_HEADER_BYTES:] = body
            has_segment = CONTROL_HEADER.unpack_from(body)[1] != 0
            self._frames.send(CONTROL, plain, wants_ack=has_segment, now=now)

    def receive(self, keypair: LinkKeypair, body: memoryview, *, now: float) -> Received:
        """Takes the body of a control frame, and sends what it calls for.

        What is above the neighbour's budget is not acknowledged: it comes again, at the pace of a lossy link.
        """
        if not self.intake.takes_control(len(body), now=now):
            return Received([], is_reset=False)
        has_newer_keypair = keypair.established > self._keypair_established
        try:
            blobs = self._channel.receive(body, may_be_another=has_newer_keypair, now=now)
        except DecodeError:
            self._frames.counters.frames_malformed += 1
            return Received([], is_reset=False)
        is_reset = self._channel.take_peer_restart()
        if is_reset or has_newer_keypair:  # a late frame of another process must not make the present one unheard
            self._keypair_established = keypair.established
        if self._channel.is_forgotten:
            self.restart()
        items: list[Item] = []
        for blob in blobs:
            try:
                items += decode_items(blob)
            except DecodeError:
                self._frames.counters.frames_malformed += 1
        self.flush(now=now)
        return Received(self.intake.taken_of(items, now=now), is_reset)

    def next_deadline(self) -> float:
        """Returns when `flush` has something to send."""
        return self._channel.next_deadline(self._frames.paths.active.rtt.rto)
