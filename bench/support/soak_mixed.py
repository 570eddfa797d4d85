"""Mixed traffic over a link whose MTU, loss and rate change under it: what was lost, and was it the link that lost it?

A lost datagram is the link's if the cable has dropped something, or was changed, about when it was sent.
"""

import contextlib
import random
import socket
import struct
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from bench.support.report import progress
from tests.lab.cable import Cable
from tests.lab.daemon import LabDaemon
from tests.lab.traffic import Stream

CHANGES_APART_S: Final = (3.0, 8.0)  # at random
MTUS: Final = (1_500, 1_500, 1_400, 1_330)
LOSSES_PERCENT: Final = (0.0, 0.0, 0.0, 0.5, 2.0, 5.0)
RATES_MEGABITS: Final = (0.0, 0.0, 200.0, 50.0)
QUEUE_S: Final = 0.05
SETTLED_S: Final = 2.0  # after a change of MTU or rate, within which the link may lose what it had no time to learn of
ABOUT_S: Final = 0.7  # between a drop by the cable and the sending of what it has cost, at most; includes SAMPLED_S
SAMPLED_S: Final = 0.3
EVERY_S: Final = 0.004  # between numbered datagrams, each way
NUMBER: Final = struct.Struct("!I")
SIZES: Final = (64, 64, 576, 1_300)
RECEIVE_BYTES: Final = 4 << 20
SO_RCVBUFFORCE: Final = 33
LAST_S: Final = 1.0
PORT: Final = 21_000


class Numbered:
    """Numbered datagrams of mixed sizes from one daemon's host to another's."""

    def __init__(self, sender: LabDaemon, receiver: LabDaemon) -> None:
        self.sent_at: list[float] = []  # by number
        self._came: set[int] = set()
        self._is_over = threading.Event()
        with receiver.host.entered():
            self._receiving = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._receiving.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        self._receiving.settimeout(LAST_S)
        self._receiving.bind((receiver.address, PORT))
        with sender.host.entered():
            self._sending = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._sending.connect((receiver.address, PORT))
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive)]

    def __enter__(self) -> "Numbered":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._sending.close()
        self._receiving.close()

    def lost(self) -> list[float]:
        """Returns when those were sent that have not come."""
        return [at for number, at in enumerate(self.sent_at) if number not in self._came]

    def _send(self) -> None:
        while not self._is_over.wait(EVERY_S):
            number = len(self.sent_at)
            self.sent_at.append(time.monotonic())
            with contextlib.suppress(OSError):  # no route, or no room: it counts as lost
                self._sending.send(NUMBER.pack(number).ljust(SIZES[number % len(SIZES)], b"."))

    def _receive(self) -> None:
        while True:
            try:
                data = self._receiving.recv(2_000)
            except TimeoutError:
                if self._is_over.is_set():
                    return
            else:
                self._came.add(NUMBER.unpack_from(data)[0])


class ChangingCable:
    """Changes a cable at random, and notes when it changed and when it dropped anything."""

    def __init__(self, cable: Cable, rng: random.Random) -> None:
        self.changes = 0
        self._cable = cable
        self._rng = rng
        self._changed_at: list[float] = []
        self._dropped_at: list[float] = []
        self._dropped = 0
        self._change_due = 0.0

    def run(self, seconds: float) -> None:
        """Does so for some seconds; in the end the cable is whole again."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if now >= self._change_due:
                self._change_due = now + self._rng.uniform(*CHANGES_APART_S)
                self._change()
            self._sample()
            time.sleep(SAMPLED_S)
        self._apply(MTUS[0], 0.0, 0.0)

    def is_to_blame(self, at: float) -> bool:
        """Tells whether the cable may have lost what was sent at this moment."""
        return _any_within(self._dropped_at, at - ABOUT_S, at + ABOUT_S) or _any_within(
            self._changed_at, at - SETTLED_S, at + ABOUT_S
        )

    def _change(self) -> None:
        self._apply(*(self._rng.choice(values) for values in (MTUS, LOSSES_PERCENT, RATES_MEGABITS)))

    def _apply(self, mtu: float, loss_percent: float, megabits: float) -> None:
        self._sample()
        progress(f"MTU {mtu:g}, loss {loss_percent:g} %, {f'{megabits:g} Mbit/s' if megabits else 'any rate'}")
        self._cable.set_mtu(round(mtu))
        self._cable.lose(loss_percent)
        self._cable.limit(megabits, queue_s=QUEUE_S)
        self._dropped = 0
        self.changes += 1
        self._changed_at.append(time.monotonic())

    def _sample(self) -> None:
        dropped = self._cable.dropped()
        if dropped > self._dropped:
            self._dropped_at.append(time.monotonic())
        self._dropped = dropped


class Memory:
    """Samples the memory of daemons, in MiB."""

    def __init__(self, daemons: Sequence[LabDaemon]) -> None:
        self._daemons = daemons
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.samples: list[float] = []

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def growth(self) -> float:
        """Returns how much more is held in the last third than in the second one, at most."""
        third = len(self.samples) // 3
        return max(self.samples[-third:], default=0.0) - max(self.samples[third:-third], default=0.0)

    def _watch(self) -> None:
        while not self._is_over.wait(1.0):
            self.samples.append(max(daemon.rss_bytes() for daemon in self._daemons) / (1 << 20))


@contextlib.contextmanager
def mixed_traffic(one: LabDaemon, other: LabDaemon) -> Iterator[tuple[Numbered, Numbered]]:
    """Sends TCP, every byte of which is checked, and numbered datagrams both ways."""
    there, back = Numbered(one, other), Numbered(other, one)
    with Stream(one.host, other.host, other.address), Stream(other.host, one.host, one.address), there, back:
        yield there, back


def _any_within(times: Sequence[float], first: float, last: float) -> bool:
    return bisect_left(times, first) < bisect_right(times, last)
