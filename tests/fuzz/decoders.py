"""Every decoder of what comes from elsewhere, behind one function that any bytes may be given."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from mycelium.errors import ConfigError, DecodeError, HandshakeError, MappingRefused, OpeningRefused
from mycelium.packet import ipv6
from mycelium.packet.dns import answer_to, read_question
from mycelium.packet.icmp_error import refused_over_ipv4, refused_over_ipv6
from mycelium.packet.nat_pmp import nat_pmp_address, nat_pmp_answer
from mycelium.packet.netlink import attributes, messages
from mycelium.packet.offload import split as cut
from mycelium.packet.offload import super_packet_layout
from mycelium.packet.pcp import NONCE_BYTES, pcp_answer
from mycelium.packet.router_epoch import announced_epoch
from mycelium.packet.ssdp import ssdp_location
from mycelium.policy.headers import read_headers
from mycelium.transport.framing import split
from mycelium.transport.streams.socks5 import Socks5
from mycelium.transport.streams.websocket import WebSocketClient, WebSocketServer
from mycelium.wire import lookup
from mycelium.wire.announcement import decode_announcement
from mycelium.wire.beacon import decode_beacon
from mycelium.wire.control import decode_items
from mycelium.wire.echo import decode_echo
from mycelium.wire.home_record import decode_home_record
from mycelium.wire.join import decode_answer
from mycelium.wire.key_proof import decode_key_proof
from mycelium.wire.knock import decode_knock
from mycelium.wire.known_peer import decode_known_peers
from mycelium.wire.lease import decode_bind, decode_lease_answer, decode_lease_request
from mycelium.wire.meeting import decode_meeting
from mycelium.wire.membership import (
    MEMBER_PROOF,
    decode_chain,
    decode_credentials,
    decode_removals,
    decode_statement,
)
from mycelium.wire.reachability import decode_reach
from mycelium.wire.session_proof import decode_session_proof
from mycelium.wire.signal import decode_signal
from mycelium.wire.speed import decode_speed, read_arrivals
from mycelium.wire.survey import decode_survey
from mycelium.wire.underlay_address import underlay_address
from tests.fuzz.handshakes import HANDSHAKES
from tests.fuzz.texts import TEXTS

Target = Callable[[bytes], object]

HOST: Final = "10.0.1.1"
ADDRESS: Final = b"\x04" + bytes(15)


def _netlink(data: bytes) -> None:
    for _, _, body in messages(data):
        list(attributes(body))


def _upper_layer(data: bytes) -> None:
    if len(data) >= ipv6.HEADER_BYTES:
        ipv6.upper_layer(data)


def _headers(data: bytes) -> None:
    packet = memoryview(data)
    for is_quoted in (True, False):
        read_headers(packet, is_quoted=is_quoted)


def _of_members(data: bytes) -> None:
    for decode in (decode_chain, decode_credentials, partial(decode_statement, MEMBER_PROOF)):
        with suppress(DecodeError):
            decode(data)


def _dns(data: bytes) -> None:
    answer_to(read_question(data), ADDRESS)


def _super_packet(data: bytes) -> None:
    if len(data) > ipv6.HEADER_BYTES:
        flags, size, packet = data[0], int.from_bytes(data[1:3], "big"), memoryview(bytearray(data[3:]))
        super_packet_layout(packet, flags, size)
        cut(packet, flags, size, max(1, data[2]))


DECODERS: Final[dict[str, Target]] = {
    "announcement": decode_announcement,
    "beacon": decode_beacon,
    "control": decode_items,
    "echo": decode_echo,
    "join answer": decode_answer,
    "known peers": decode_known_peers,
    "bind": decode_bind,
    "home record": decode_home_record,
    "lookup": lookup.decode_lookup,
    "lookup answer": lookup.decode_answer,
    "home records": lookup.decode_records,
    "knock": decode_knock,
    "meeting": decode_meeting,
    "lease request": decode_lease_request,
    "lease answer": decode_lease_answer,
    "underlay address": underlay_address,
    "reach": decode_reach,
    "signal": decode_signal,
    "speed": decode_speed,
    "arrivals": read_arrivals,
    "certificates": _of_members,
    "removals": decode_removals,
    "IPv6": _upper_layer,
    "headers": _headers,
    "DNS": _dns,
    "ICMP over IPv4": refused_over_ipv4,
    "ICMP over IPv6": refused_over_ipv6,
    "NAT-PMP": lambda data: nat_pmp_answer(data, 9651, HOST),
    "NAT-PMP address": nat_pmp_address,
    "PCP": lambda data: pcp_answer(data, 9651, bytes(range(NONCE_BYTES))),
    "router epoch": announced_epoch,
    "SSDP": lambda data: ssdp_location(data, HOST),
    "netlink": _netlink,
    "framing": lambda data: split(memoryview(data)),
    "super-packet": _super_packet,
    "WebSocket, accepted": lambda data: WebSocketServer().receive(data),
    "WebSocket, dialled": lambda data: WebSocketClient("h", 1, "/").receive(data),
    "SOCKS": lambda data: Socks5("h", 1, ("a", "b")).receive(data),
    "survey": decode_survey,
    **HANDSHAKES,
    **TEXTS,
    "key proof": decode_key_proof,
    "session proof": decode_session_proof,
}
_REFUSALS: Final = (
    ConfigError,
    DecodeError,
    HandshakeError,
    MappingRefused,
    OpeningRefused,
    EOFError,
)  # EOFError: the end of a stream


def decode(data: bytes) -> None:
    """Hands bytes to the decoder that the first one picks; raises what a decoder may not raise."""
    if not data:
        return
    with suppress(*_REFUSALS):
        _IN_ORDER[data[0] % len(_IN_ORDER)](data[1:])


def picking(name: str, data: bytes) -> bytes:
    """Returns the bytes for `decode` that hand data to a decoder."""
    return bytes([list(DECODERS).index(name)]) + data


_IN_ORDER: Final = tuple(DECODERS.values())
