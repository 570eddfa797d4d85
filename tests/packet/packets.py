"""Builds TCP and UDP packets field by field, apart from the code under test: only the checksum arithmetic is shared."""

from mycelium.packet.ipv6 import TCP, UDP, checksum, pseudo_header_sum

SOURCE = bytes.fromhex("05c3943d3d211d4b9fa85e65db0e0113")
DESTINATION = bytes.fromhex("04aa0000000000000000000000000002")
ADDRESSES = SOURCE + DESTINATION
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
TIMESTAMPS = bytes.fromhex("0101080a0000000100000002")


def ipv6_packet(
    protocol: int, body: bytes, *, label: int = 0x12345, hop_limit: int = 64, addresses: bytes = ADDRESSES
) -> bytes:
    """Returns an IPv6 packet."""
    word = 6 << 28 | label
    head = word.to_bytes(4, "big") + len(body).to_bytes(2, "big") + bytes((protocol, hop_limit))
    return head + addresses + body


def with_checksum(protocol: int, body: bytes, place: int, *, partial: bool, addresses: bytes = ADDRESSES) -> bytes:
    """Returns `body` with a checksum at `place`: the sum of the pseudo-header only, or a full one."""
    value = pseudo_header_sum(addresses, protocol, len(body)) if partial else checksum(addresses, protocol, body)
    return body[:place] + value.to_bytes(2, "big") + body[place + 2 :]


def udp_packet(
    payload: bytes,
    *,
    port: int = 5201,
    partial: bool = True,
    label: int = 0x12345,
    extension: bytes = b"",
    addresses: bytes = ADDRESSES,
) -> bytes:
    """Returns a UDP packet; `extension` is a whole extension header of type destination options."""
    length = (8 + len(payload)).to_bytes(2, "big")
    body = (40_000).to_bytes(2, "big") + port.to_bytes(2, "big") + length + bytes(2) + payload
    body = with_checksum(UDP, body, 6, partial=partial, addresses=addresses)
    if extension:
        return ipv6_packet(60, extension + body, label=label, addresses=addresses)
    return ipv6_packet(UDP, body, label=label, addresses=addresses)


def tcp_packet(
    payload: bytes,
    *,
    sequence: int = 1_000,
    ack: int = 7,
    flags: int = ACK,
    window: int = 500,
    options: bytes = TIMESTAMPS,
    port: int = 5201,
    partial: bool = True,
    hop_limit: int = 64,
) -> bytes:
    """Returns a TCP segment, or a super-packet where `payload` is that of one."""
    ports = (40_000).to_bytes(2, "big") + port.to_bytes(2, "big")
    numbers = (sequence & 0xFFFF_FFFF).to_bytes(4, "big") + ack.to_bytes(4, "big")
    words = bytes(((20 + len(options)) // 4 << 4, flags)) + window.to_bytes(2, "big") + bytes(4)
    body = with_checksum(TCP, ports + numbers + words + options + payload, 16, partial=partial)
    return ipv6_packet(TCP, body, hop_limit=hop_limit)
