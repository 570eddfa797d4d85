"""How long the UDP transport takes per call: a batch of datagrams sent and received at once, and a lone datagram.

    ./dev bench udp_transport

As root it also measures over a veth pair between two namespaces.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.transport.base import Buffer
from mycelium.transport.udp import UdpTransport
from tests.lab.laboratory import Lab, is_available

BURST_BYTES: Final = 62_000

Row = dict[str, str | float]


def main() -> None:
    """Prints a table, or JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for row in _rows(given.times, given.runs):
        if given.json:
            print(json.dumps(row))
        else:
            print(
                "{medium:9} {family:5} {what:34} send {send_us:6.2f} us  receive {receive_us:6.2f} us".format_map(row)
            )


def _rows(times: int, runs: int) -> list[Row]:
    rows: list[Row] = []
    for family, host in (("IPv4", "127.0.0.1"), ("IPv6", "::1")):
        rows += _measure_all("loopback", family, UdpTransport.open, UdpTransport.open, host, times, runs)
    if is_available():
        with Lab() as lab:
            one, two = lab.add_hosts(["one", "two"])
            end = lab.add_cable(one, two).end(two)

            def there(host: str, port: int, *, offload: bool) -> UdpTransport:
                with one.entered():
                    return UdpTransport.open(host, port, offload=offload)

            def here(host: str, port: int, *, offload: bool) -> UdpTransport:
                with two.entered():
                    return UdpTransport.open(host, port, offload=offload)

            for family, address in (("IPv4", end.ipv4), ("IPv6", end.ipv6)):
                rows += _measure_all("veth", family, there, here, address, times, runs)
    return rows


def _measure_all(
    medium: str,
    family: str,
    opener: Callable[..., UdpTransport],
    other_opener: Callable[..., UdpTransport],
    host: str,
    times: int,
    runs: int,
) -> list[Row]:
    rows: list[Row] = []
    for what, size, segment, offload in (
        ("lone datagram of 100 B", 100, 1_232, True),
        (f"{BURST_BYTES} B in datagrams of 1,452", BURST_BYTES, 1_452, True),
        (f"{BURST_BYTES} B in datagrams of 1,232", BURST_BYTES, 1_232, True),
        (f"{BURST_BYTES} B of 1,452, no offload", BURST_BYTES, 1_452, False),
    ):
        one, two = opener("::", 0, offload=offload), other_opener("::", 0, offload=offload)
        target = Endpoint("udp", host, two.local_endpoints[0].port)
        timings = [_measure(one, two, target, _buffers(size, segment), segment, size, times) for _ in range(runs)]
        send_us, receive_us = (statistics.median(column) for column in zip(*timings, strict=True))
        rows.append({"medium": medium, "family": family, "what": what, "send_us": send_us, "receive_us": receive_us})
        one.close()
        two.close()
    return rows


def _buffers(size: int, segment: int) -> list[Buffer]:
    """Makes a batch as links do: a 20-byte header and a slice of the frame for each datagram."""
    if size <= segment:
        return [bytes(size)]
    frame = memoryview(bytearray(size))
    buffers: list[Buffer] = []
    for start in range(0, size, segment):
        piece = frame[start : start + segment]
        buffers += [bytes(piece[:20]), piece[20:]]
    return buffers


def _measure(
    one: UdpTransport,
    two: UdpTransport,
    target: Endpoint,
    buffers: list[Buffer],
    segment: int,
    size: int,
    times: int,
) -> tuple[float, float]:
    """Returns the microseconds per batch to send and to receive it."""
    sending = receiving = 0.0
    for _ in range(times):
        begin = time.perf_counter()
        one.send(target, buffers, segment)
        between = time.perf_counter()
        came = 0
        while came < size:
            received = two.receive()
            came += len(received[0]) if received is not None else 0
        receiving += time.perf_counter() - between
        sending += between - begin
    return sending / times * 1e6, receiving / times * 1e6


if __name__ == "__main__":
    main()
