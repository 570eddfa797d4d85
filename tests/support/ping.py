"""Pings between hosts, and what they tell."""

import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Final

from tests.support.namespaces import Host

REPLY: Final = re.compile(r"icmp_seq=(\d+) .*time=([\d.]+) ms")
SUMMARY: Final = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass(frozen=True)
class PingResult:
    """How many went out and came back; `times_ms` has the round trip of each answered sequence number."""

    sent: int
    received: int
    interval: float
    times_ms: dict[int, float] = field(repr=False)

    @property
    def average_ms(self) -> float:
        """The mean round trip of those that came back."""
        return sum(self.times_ms.values()) / len(self.times_ms) if self.times_ms else float("nan")

    @property
    def outage_s(self) -> float:
        """The longest time without an answer, from the longest run of unanswered pings."""
        longest = run = 0
        for number in range(1, self.sent + 1):
            run = 0 if number in self.times_ms else run + 1
            longest = max(longest, run)
        return longest * self.interval


def parse_ping(output: str, interval: float) -> PingResult:
    """Reads what iputils' ping printed."""
    summary = SUMMARY.search(output)
    assert summary is not None, f"ping said: {output}"
    times = {int(number): float(time) for number, time in REPLY.findall(output)}
    return PingResult(int(summary[1]), int(summary[2]), interval, times)


def ping(
    host: Host, address: str, *, count: int = 1, interval: float = 0.02, size: int = 56, wait: int = 2
) -> PingResult:
    """Pings an address from a host; `wait` seconds for the last answers."""
    options = ["-c", str(count), "-i", str(interval), "-s", str(size), "-W", str(wait)]
    timeout = count * interval + wait + 20
    done = host.run("ping", *options, address, timeout=timeout, check=False)
    return parse_ping(done.stdout + done.stderr, interval)


class Pings:
    """Pings that run beside the test until they are collected."""

    def __init__(self, host: Host, address: str, *, interval: float = 0.01) -> None:
        self.interval = interval
        self._process = host.start(
            "ping", "-i", str(interval), address, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def finish(self) -> PingResult:
        """Ends the pings and returns what they saw."""
        self._process.send_signal(signal.SIGINT)
        output, _ = self._process.communicate(timeout=10)
        return parse_ping(output, self.interval)
