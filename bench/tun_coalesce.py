"""How long the Python between delivered packets and writev takes: microseconds per call of coalescing and building the buffers.

    ./dev bench tun_coalesce

The system call is left out; the best of several rounds counts.
"""

import argparse
import struct
import timeit

from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, Delivery
from mycelium.packet.ipv6 import TCP, UDP, pseudo_header_sum
from mycelium.tun.coalesce import coalesce
from tests.support.checksums import complete_checksum

ADDRESSES = bytes.fromhex("05c3943d3d211d4b9fa85e65db0e0113") + bytes.fromhex("04c3943d3d211d4b9fa85e65db0e0114")
ROUNDS = 7


def packet(protocol: int, transport: bytes) -> bytearray:
    return bytearray(struct.pack("!IHBB", 6 << 28 | 12345, len(transport), protocol, 64) + ADDRESSES + transport)


def udp(payload_bytes: int, port: int = 5201) -> bytearray:
    length = 8 + payload_bytes
    partial = pseudo_header_sum(ADDRESSES, UDP, length)
    return packet(UDP, struct.pack("!HHHH", 40_000, port, length, partial) + bytes(payload_bytes))


def tcp(payload_bytes: int, sequence: int = 1) -> bytearray:
    partial = pseudo_header_sum(ADDRESSES, TCP, 32 + payload_bytes)
    header = struct.pack("!HHIIBBHHH", 40_000, 5201, sequence, 7, 8 << 4, 0x10, 500, partial, 0)
    return packet(TCP, header + bytes.fromhex("0101080a0000000100000002") + bytes(payload_bytes))


def completed(data: bytearray) -> bytearray:
    complete_checksum(memoryview(data))
    return data


def single(data: bytearray, flags: int = PARTIAL_CHECKSUM, segment_size: int = 0) -> Delivery:
    return memoryview(data), flags, segment_size


CASES: dict[str, list[Delivery]] = {
    "64 UDP of 64 B, one flow": [single(udp(64)) for _ in range(64)],
    "64 UDP of 64 B, eight flows": [single(udp(64, 5000 + n % 8)) for n in range(64)],
    "64 UDP of 64 B, full checksums": [single(completed(udp(64)), 0) for _ in range(64)],
    "50 UDP of 1,200 B, one flow": [single(udp(1_200)) for _ in range(50)],
    "50 UDP of 1,200 B, full checksums": [single(completed(udp(1_200)), 0) for _ in range(50)],
    "44 TCP segments of 1,328 B": [single(tcp(1_328, 1 + n * 1_328)) for n in range(44)],
    "64 pure TCP acknowledgements": [single(tcp(0)) for _ in range(64)],
    "one TCP super-packet of 61,088 B": [single(tcp(46 * 1_328), SUPER_TCP | PARTIAL_CHECKSUM, 1_328)],
    "one packet of 64 B": [single(completed(udp(64)), 0)],
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300, help="per round")
    calls = parser.parse_args().calls
    for name, deliveries in CASES.items():
        writes = len(coalesce(deliveries))
        seconds = min(
            timeit.repeat(
                lambda: [run.buffers() for run in coalesce(deliveries) if run.payloads],  # noqa: B023
                number=calls,
                repeat=ROUNDS,
            )
        )
        print(f"{name:36} {seconds / calls * 1e6:7.1f} us  {len(deliveries):3} packets, {writes:2} writes")


if __name__ == "__main__":
    main()
