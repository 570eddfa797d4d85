"""ICMP errors become endpoints: of our ports only, each once a wake, and floods are read in slices."""

import socket
import struct
from typing import Any

from mycelium.daemon.icmpwatch import PAUSE_S, READS_PER_WAKE, IcmpWatch
from mycelium.endpoint import Endpoint

PORT = 9_651


def ipv4_error(host: str, port: int, source_port: int = PORT) -> bytes:
    """ICMP type 3, code 3, as a raw socket gives it out: IP header, ICMP header, the quoted IP and UDP headers."""
    quoted = struct.pack("!BxHxxxxBBxx4s4s", 0x45, 36, 64, socket.IPPROTO_UDP, bytes(4), socket.inet_aton(host))
    quoted += struct.pack("!HHHH", source_port, port, 16, 0)
    icmp = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    return struct.pack("!BxHxxxxBBxx4s4s", 0x45, 20 + len(icmp), 64, socket.IPPROTO_ICMP, bytes(4), bytes(4)) + icmp


class RawSocket:
    """Stands in for a raw socket on which errors wait."""

    family = socket.AF_INET

    def __init__(self, *errors: bytes) -> None:
        self.errors = list(errors)

    def recvfrom(self, _: int) -> tuple[bytes, tuple[str, int]]:
        if not self.errors:
            raise BlockingIOError
        return self.errors.pop(0), ("192.0.2.1", 0)

    def fileno(self) -> int:
        return 0

    def close(self) -> None:
        pass


class Loop:
    """Stands in for an event loop: remembers who reads and what is to come later."""

    def __init__(self) -> None:
        self.readers: set[int] = set()
        self.later: list[tuple[float, Any, Any]] = []

    def add_reader(self, descriptor: int, *_: Any) -> None:
        self.readers.add(descriptor)

    def remove_reader(self, descriptor: int) -> None:
        self.readers.discard(descriptor)

    def call_later(self, seconds: float, action: Any, argument: Any) -> Any:
        self.later.append((seconds, action, argument))
        return self

    def cancel(self) -> None:
        self.later.clear()


def watching() -> tuple[IcmpWatch, Any, list[tuple[Endpoint, str]]]:
    loop: Any = Loop()
    told: list[tuple[Endpoint, str]] = []
    return IcmpWatch(loop, [], frozenset([PORT]), lambda news: told.extend(news.items())), loop, told


def hear(watch: IcmpWatch, raw: RawSocket) -> None:
    stand_in: Any = raw
    watch._on_readable(stand_in)


def test_an_error_about_our_port_names_the_endpoint() -> None:
    watch, _, told = watching()
    hear(watch, RawSocket(ipv4_error("198.51.100.7", 1_234)))
    assert [endpoint for endpoint, _ in told] == [Endpoint("udp", "198.51.100.7", 1_234)]
    assert "port unreachable" in told[0][1]
    watch.close()


def test_errors_about_others_ports_and_garbage_are_passed_over() -> None:
    watch, _, told = watching()
    hear(watch, RawSocket(ipv4_error("198.51.100.7", 1_234, source_port=53), b"", b"\x45", bytes(200)))
    assert told == []
    watch.close()


def test_many_errors_about_one_endpoint_are_told_once() -> None:
    watch, _, told = watching()
    hear(watch, RawSocket(*[ipv4_error("198.51.100.7", 1_234)] * 20))
    assert len(told) == 1
    watch.close()


def test_a_flood_is_read_in_slices_with_a_pause_between() -> None:
    watch, loop, told = watching()
    raw = RawSocket(*[ipv4_error("198.51.100.7", port) for port in range(1, 101)])
    hear(watch, raw)
    assert len(told) == READS_PER_WAKE
    assert 0 not in loop.readers
    (seconds, resume, argument), *_ = loop.later
    assert seconds == PAUSE_S
    resume(argument)
    assert 0 in loop.readers
    watch.close()


def test_all_errors_of_a_wake_are_told_in_one_call() -> None:
    """Each call is a look at all links."""
    calls: list[dict[Endpoint, str]] = []
    loop: Any = Loop()
    watch = IcmpWatch(loop, [], frozenset([PORT]), calls.append)
    hear(watch, RawSocket(*(ipv4_error("198.51.100.7", port) for port in (1, 2, 3))))
    assert [[endpoint.port for endpoint in told] for told in calls] == [[1, 2, 3]]
    hear(watch, RawSocket())
    assert len(calls) == 1, "nothing is told where there was none"
    watch.close()
