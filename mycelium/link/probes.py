"""Probes: questions that a path must answer, sent and answered. A reply measures the round trip and proves both directions.

Every probe also reports how many of the neighbour's frames were opened, which tells the neighbour its loss. A size probe asks
whether the path carries a datagram of its size; it is answered like any other.
"""

from collections.abc import Callable
from typing import Final

from mycelium.link.frames import FRAME_HEADER_BYTES, HEAD_BYTES, MASK_32, Frames
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.liveness import Action
from mycelium.link.path.path import Path
from mycelium.link.size_probe import open_size_probe, seal_size_probe
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import (
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    PROBE_TAKES_UNSEALED,
    PROBE_WANTS_REPLY,
    ProbeFields,
    read_probe,
    write_probe,
)

PROBES_REMEMBERED: Final = 32  # per path; the oldest gives way


class Probes:
    """Asks and answers over the paths of one link."""

    __slots__ = ("_entropy", "_frames")

    def __init__(self, frames: Frames, *, entropy: Callable[[int], bytes]) -> None:
        self._frames = frames
        self._entropy = entropy

    def ask(self, path: Path, *, now: float) -> None:
        """Sends a probe that wants a reply."""
        self._send(path, PROBE_WANTS_REPLY, token=self._new_token(path, 0, now=now), now=now)

    def ask_size(self, path: Path, size: int, *, now: float) -> None:
        """Sends a probe of the path MTU: a datagram of `size` bytes that wants a reply."""
        keypair = self._frames.keypairs.sending
        if keypair.sealing.is_worn_out:
            return
        datagram = seal_size_probe(keypair, self._new_token(path, size, now=now), size)
        self._frames.counters.mtu_probes_sent += 1
        self._frames.transmit(path, datagram)

    def answer(self, path: Path, token: int, *, now: float) -> None:
        """Replies to a probe of the neighbour, which has just been received."""
        self._send(path, PROBE_IS_REPLY, token=token, waited_s=self._frames.waited_s, now=now)

    def answer_size(self, keypair: LinkKeypair, path: Path, datagram: memoryview, *, now: float) -> None:
        """Replies to a size probe, if it is authentic."""
        token = open_size_probe(keypair, datagram)
        if token is None:
            self._frames.counters.frames_not_opened += 1
            return
        self._frames.counters.mtu_probes_answered += 1
        self.answer(path, token, now=now)

    def handle_timeout(self, path: Path, *, now: float) -> None:
        """Sends what a path's liveness and its search for the datagram size ask for."""
        action = path.liveness.handle_timeout(now=now)
        if action is Action.PROBE:
            self.ask(path, now=now)
        elif action is Action.ACK:
            self._send(path, 0, now=now)
        if path.liveness.is_doubtful:
            path.mtu.put_off(path.liveness.deadline, now=now)
        size = path.mtu.probe_to_send(now=now) if path.can_probe_size else None
        if size is not None:
            for further in (size, *path.mtu.sizes_behind()):
                self.ask_size(path, further, now=now)

    def receive(self, path: Path, body: memoryview, *, is_up: bool, now: float) -> bool:
        """Takes the body of a probe: its report and its question or reply; tells whether it has measured the path.

        Raises DecodeError.
        """
        fields = read_probe(body)
        self._frames.takes_unsealed = fields.takes_unsealed
        is_of_size = path.probes.get(fields.token, (0.0, 0))[1] > 0  # out of turn, so its report is of few frames
        if not is_of_size and self.take_report(fields, now=now):  # perhaps only the long datagrams are lost
            active = self._frames.paths.active
            active.mtu.verify(pto_s=active.rtt.pto, now=now)
        if fields.wants_reply:
            self.answer(path, fields.token, now=now)
            if not is_up:  # the neighbour is back before it was probed again
                self.ask(path, now=now)
            return False
        return fields.is_reply and self.take_reply(path, fields, now=now)

    def take_report(self, fields: ProbeFields, *, now: float) -> bool:
        """Digests what the neighbour has opened of our frames, unless it refers to an earlier keypair.

        Tells whether more of them are known to be lost.
        """
        budget = self._frames.budget
        sent = self._frames.keypairs.sending.sealing.counter - 1
        missed = budget.missed
        if 0 < fields.newest <= sent & MASK_32:
            budget.report(fields.opened, fields.newest, sent=sent, now=now)
        return budget.missed > missed

    def take_reply(self, path: Path, fields: ProbeFields, *, now: float) -> bool:
        """Digests a reply; returns whether it measured the path."""
        asked = path.probes.pop(fields.token, None)
        if asked is None:
            return False
        asked_at, size = asked
        if not size:  # a long datagram is on the way for longer, and nobody measures how long it waits for a process
            path.rtt.sample(now - asked_at, now=now, waited_s=fields.waited_s + self._frames.waited_s)
        if path.rtt.srtt is None:  # the answer took too long to be a sample
            return False
        paths = self._frames.paths
        if size:
            path.mtu.acknowledged(size, now=now)
        else:
            path.liveness.probe_answered(now=now)
        paths.answered(path)
        if path is paths.active:
            self._frames.budget.set_floor(path.mtu.size - HEAD_BYTES - TAG_BYTES)
        return True

    def _new_token(self, path: Path, size: int, *, now: float) -> int:
        """Notes a probe of a datagram size, or 0; returns its token, which nobody can guess before it arrives."""
        token = int.from_bytes(self._entropy(4), "big")
        path.probes[token] = now, size
        if len(path.probes) > PROBES_REMEMBERED:
            del path.probes[next(iter(path.probes))]
        return token

    def _send(self, path: Path, flags: int, *, token: int = 0, waited_s: float = 0.0, now: float) -> None:
        plain = memoryview(bytearray(FRAME_HEADER_BYTES + PROBE_BODY.size))
        opened, newest = path.arrivals
        write_probe(plain, ProbeFields(flags | PROBE_TAKES_UNSEALED, waited_s, token, opened, newest))
        self._frames.send(PROBE, plain, path=path, wants_ack=flags == PROBE_WANTS_REPLY, now=now)
