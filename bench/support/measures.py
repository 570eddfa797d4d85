"""What `throughput` measures: each figure with the conditions of the line that it is taken on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from bench.support.line import Line, cpu_seconds_of
from bench.support.mix import mixed_flood
from tests.lab.ping import ping
from tests.lab.traffic import iperf

PINGS: Final = 200
PINGS_APART_S: Final = 0.01
QUEUE_S: Final = 0.05  # of a slow link
STREAMS: Final = ("-P", "4")

Take = Callable[[Line, float], float]


@dataclass(frozen=True)
class Conditions:
    """How many relays a line has, and what happens to its cables before something is measured."""

    relays: int = 0
    is_loaded: bool = False  # every load has passed the line before
    is_split: bool = False  # the cables carry no super-packets, so that the receiver has nothing to join
    loss_percent: float = 0.0  # includes `is_split`
    megabits: float = 0.0  # rate of each cable; 0: no limit

    def apply(self, line: Line, seconds: float) -> None:
        """Brings a fresh line into these conditions; a load lasts for `seconds`."""
        if self.is_loaded:
            for load in LOADS:
                load(line, seconds)
        for cable in line.cables:
            if self.loss_percent or self.is_split:
                cable.lose(self.loss_percent)
            if self.megabits:
                cable.limit(self.megabits, queue_s=QUEUE_S)


@dataclass(frozen=True)
class Measure:
    """One figure; `against` names the one of a direct line that it is compared with."""

    name: str
    unit: str
    take: Take
    conditions: Conditions = Conditions()
    against: str = ""


def tcp(*options: str) -> Take:
    """Measures TCP throughput in Gbit/s, the sum of both directions."""

    def take(line: Line, seconds: float) -> float:
        return _received(_iperf(line, seconds, *options)) / 1e9

    return take


def udp(size: int) -> Take:
    """Measures delivered datagrams, in thousands per second, under a flood."""

    def take(line: Line, seconds: float) -> float:
        total = _iperf(line, seconds, "-u", "-b", "0", "-l", str(size))["sum"]
        return float(total["packets"] - total["lost_packets"]) / float(total["seconds"]) / 1e3

    return take


def udp_mix(line: Line, seconds: float) -> float:
    """Measures delivered datagrams of mixed sizes, in thousands per second, under a flood."""
    return mixed_flood(line.first, line.last, line.address, seconds=seconds) / 1e3


def round_trip(line: Line, seconds: float) -> float:
    """Measures the average of 200 pings 10 ms apart, in ms."""
    return ping(line.first, line.address, count=PINGS, interval=PINGS_APART_S).average_ms


def loaded_round_trip(line: Line, seconds: float) -> float:
    """Measures the average of the same pings beside four TCP streams, once these have had a second to fill the link."""
    with ThreadPoolExecutor(1) as pool:
        pinging = PINGS * PINGS_APART_S
        streams = pool.submit(_iperf, line, seconds + pinging + 1, *STREAMS)
        ping(line.first, line.address, count=round(1 / PINGS_APART_S), interval=PINGS_APART_S)
        average_ms = round_trip(line, seconds)
        streams.result()
    return average_ms


def processor_time(line: Line, seconds: float) -> float:
    """Measures the processor time of all that makes both ends of a line, in seconds per gigabyte of one TCP stream."""
    pids = line.pids()
    before = cpu_seconds_of(pids)
    received = float(_iperf(line, seconds)["sum_received"]["bytes"])
    return (cpu_seconds_of(pids) - before) / (received / 1e9)


def memory(line: Line, seconds: float) -> float:
    """Measures the memory of the daemon at the end that holds more, in MiB."""
    return line.rss_bytes() / (1 << 20)


def _iperf(line: Line, seconds: float, *options: str) -> dict[str, Any]:
    return dict(iperf(line.first, line.last, line.address, *options, seconds=seconds)["end"])


def _received(end: dict[str, Any]) -> float:
    back = end.get("sum_received_bidir_reverse", {}).get("bits_per_second", 0.0)
    return float(end["sum_received"]["bits_per_second"] + back)


LOADS: Final = (tcp(), tcp(*STREAMS), tcp("-R"), tcp("--bidir"), udp(64), udp(1_200))

ONE: Final = "TCP one stream"
PING: Final = "ping"
MEASURES: Final = (
    Measure("memory, idle", "MiB", memory),
    Measure(ONE, "Gbit/s", tcp()),
    Measure("TCP four streams", "Gbit/s", tcp(*STREAMS)),
    Measure("TCP both directions", "Gbit/s", tcp("--bidir")),
    Measure("processor time, both ends", "s/GB", processor_time),
    Measure("UDP 64 B flood", "k/s", udp(64)),
    Measure("UDP 1,200 B flood", "k/s", udp(1_200)),
    Measure("UDP mixed sizes flood", "k/s", udp_mix),
    Measure(PING, "ms", round_trip),
    Measure("memory, after all of this", "MiB", memory),
    Measure("TCP where the receiver can join nothing", "Gbit/s", tcp(), Conditions(is_split=True), ONE),
    Measure("TCP through one relay", "Gbit/s", tcp(), Conditions(relays=1), ONE),
    Measure("ping through one relay", "ms", round_trip, Conditions(relays=1), PING),
    Measure("TCP through three relays", "Gbit/s", tcp(), Conditions(relays=3), ONE),
    Measure("ping through three relays", "ms", round_trip, Conditions(relays=3), PING),
    Measure("TCP with 1 % loss", "Gbit/s", tcp(), Conditions(loss_percent=1.0), ONE),
    Measure("TCP after load, with 1 % loss", "Gbit/s", tcp(), Conditions(loss_percent=1.0, is_loaded=True), ONE),
    Measure("TCP with 5 % loss", "Gbit/s", tcp(), Conditions(loss_percent=5.0), ONE),
    Measure("ping beside four streams at 100 Mbit/s", "ms", loaded_round_trip, Conditions(megabits=100)),
)
