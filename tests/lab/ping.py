"""Pings between hosts, and what they tell."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from typing import Final

from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until

PING_INTERVAL_S: Final = 0.01  # where the gap between two answers is the measurement
REPLY: Final = re.compile(r"\[([\d.]+)\] .*icmp_seq=(\d+) .*time=([\d.]+) ms")
ANSWER: Final = re.compile(r"bytes from .*icmp_seq=(\d+)")  # those of pings below 16 bytes tell no time
LAST_ANSWER_S: Final = 0.9  # for which the end of pings waits for one more answer, which there may not be
MOST_PRINTED_BYTES: Final = 1 << 26
SUMMARY: Final = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass(frozen=True)
class PingResult:
    """Numbers of pings sent and answered, and for each answer its time (Unix seconds) and round trip."""

    sent: int
    received: int
    answered_at: list[float] = field(repr=False)
    round_trips_ms: list[float] = field(repr=False)

    @property
    def average_ms(self) -> float:
        """The mean round trip in milliseconds; NaN if nothing was answered."""
        return sum(self.round_trips_ms) / len(self.round_trips_ms) if self.round_trips_ms else float("nan")

    @property
    def outage_s(self) -> float:
        """The longest time between two consecutive answers."""
        return max((later - earlier for earlier, later in pairwise(self.answered_at)), default=float("inf"))

    def answered_after(self, moment: float) -> float:
        """Returns the seconds from a moment (Unix time) to the next answer; infinity if none came."""
        return min((at - moment for at in self.answered_at if at >= moment), default=float("inf"))


def parse_ping(output: str, count: int | None = None) -> PingResult:
    """Parses the output of `ping -D` from iputils: of the first `count` pings, or of all."""
    summary = SUMMARY.search(output)
    assert summary is not None, f"ping said: {output}"
    sent, received = int(summary[1]), int(summary[2])
    replies = [
        (float(at), float(trip)) for at, sequence, trip in REPLY.findall(output) if int(sequence) <= (count or sent)
    ]
    if count is not None:
        sent, received = min(sent, count), len({int(n) for n in ANSWER.findall(output) if int(n) <= count})
    return PingResult(sent, received, [at for at, _ in replies], [trip for _, trip in replies])


def ping(
    host: LabHost, address: str, *, count: int = 1, interval: float = 0.02, size: int = 56, wait: int = 2
) -> PingResult:
    """Pings an address from a host; `wait` seconds for the last answers.

    Without a deadline ping would wait for the last answers only twice as long as the others took. With one it sends more than
    `count` while answers are missing, and those are not counted.
    """
    deadline = ceil(2 * count * interval + wait)  # on a busy machine pings leave late
    options = ["-c", str(count), "-i", str(interval), "-s", str(size), "-w", str(deadline)]
    done = host.run("ping", "-D", *options, address, timeout=deadline + 20, check=False)
    return parse_ping(done.stdout + done.stderr, count)


def answers(host: LabHost, address: str, *, count: int = 1, size: int = 56) -> bool:
    """Tells whether so many pings in a row, 10 ms apart, are all answered."""
    with contextlib.suppress(AssertionError):  # no route yet
        return ping(host, address, count=count, interval=PING_INTERVAL_S, size=size, wait=1).received == count
    return False


class Pings:
    """Pings in the background until `finish` or the end of the `with` block."""

    def __init__(self, host: LabHost, address: str, *, interval: float = PING_INTERVAL_S) -> None:
        self.interval = interval
        self._printed = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads stops ping when it is full
        self._process = host.start(
            "ping", "-D", "-i", str(interval), address, stdout=self._printed, stderr=subprocess.STDOUT
        )

    def __enter__(self) -> "Pings":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._printed.closed:
            self.finish()

    def finish(self) -> PingResult:
        """Ends the pings and returns what those saw that were sent before, once a later one is answered, else what all saw."""
        asked_at, later = time.time(), 0
        with contextlib.suppress(AssertionError):  # none is answered any more
            later = wait_until(lambda: self.answered_since(asked_at), LAST_ANSWER_S, "an answer")
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=PATIENCE_S)
        with self._printed:
            self._printed.seek(0)
            return parse_ping(self._printed.read(), later or None)

    def answered_since(self, moment: float) -> int:
        """Returns the sequence number of an answered ping that was sent after a moment (Unix time); 0 if there is none."""
        printed = os.pread(
            self._printed.fileno(), MOST_PRINTED_BYTES, 0
        ).decode()  # ping writes on where the file is read
        found = (int(number) for at, number, trip in REPLY.findall(printed) if float(at) - float(trip) / 1e3 > moment)
        return next(found, 0)
