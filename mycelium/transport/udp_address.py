"""Converts endpoints to socket addresses and PKTINFO control messages and back, and ranks sockets for an endpoint.

A dual-stack socket has IPv4 addresses as IPv6 addresses in ::ffff:0:0/96; endpoints never show that.
"""

import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from mycelium.endpoint import Endpoint
from mycelium.mapped_address import MAPPED_PREFIX
from mycelium.transport.udp_socket import IP_PKTINFO

SCHEME: Final = "udp"
MAPPED_TEXT: Final = "::ffff:"

IN_PKTINFO: Final = struct.Struct("=I4s4s")  # interface index, local address, destination in the header
IN6_PKTINFO: Final = struct.Struct("=16sI")  # local address, interface index

SocketAddress = tuple[Any, ...]  # as the socket module has it
ControlMessage = tuple[int, int, bytes]  # level, type, data

ToSocket = Callable[[Endpoint], tuple[SocketAddress, list[ControlMessage]]]
FromSocket = Callable[[SocketAddress, bytes], Endpoint]


def to_inet(endpoint: Endpoint) -> tuple[SocketAddress, list[ControlMessage]]:
    """Returns the address and the control messages for an IPv4 socket; raises ValueError for an IPv6 endpoint."""
    ipaddress.IPv4Address(endpoint.host)
    return (endpoint.host, endpoint.port), _inet_source(endpoint.local)


def from_inet(address: SocketAddress, pktinfo: bytes) -> Endpoint:
    """Returns where a datagram came from, on an IPv4 socket."""
    local = IN_PKTINFO.unpack(pktinfo)[1] if pktinfo else b""
    return Endpoint(SCHEME, address[0], address[1], 0, local)


def to_inet6(endpoint: Endpoint) -> tuple[SocketAddress, list[ControlMessage]]:
    """Returns the address and the control messages for a dual-stack socket; raises ValueError for a malformed host."""
    if ipaddress.ip_address(endpoint.host).version == 4:
        mapped = MAPPED_PREFIX + endpoint.local if endpoint.local else b""
        return (MAPPED_TEXT + endpoint.host, endpoint.port, 0, 0), _inet6_source(mapped, 0)
    return (endpoint.host, endpoint.port, 0, endpoint.scope), _inet6_source(endpoint.local, endpoint.scope)


def from_inet6(address: SocketAddress, pktinfo: bytes) -> Endpoint:
    """Returns where a datagram came from, on a dual-stack socket."""
    host, port, _, scope = address
    local = IN6_PKTINFO.unpack(pktinfo)[0] if pktinfo else b""
    if host.startswith(MAPPED_TEXT) and "." in host:
        return Endpoint(SCHEME, host[len(MAPPED_TEXT) :], port, 0, local[12:])
    return Endpoint(SCHEME, host, port, scope, local)


def arrival_interface(pktinfo: bytes) -> int:
    """Returns the index of the interface that a datagram arrived on; 0 if the kernel did not tell."""
    if len(pktinfo) == IN6_PKTINFO.size:
        return int(IN6_PKTINFO.unpack(pktinfo)[1])
    return int(IN_PKTINFO.unpack(pktinfo)[0]) if pktinfo else 0


def reach(bound: Endpoint, endpoint: Endpoint) -> float:
    """Ranks a socket of the `bound` address for sending to an endpoint: the highest rank fits best, 0 can't send there.

    The socket that is bound to the endpoint's `local` address fits best, then one for all addresses, then the one whose
    address has most leading bits in common with the remote one (RFC 6724, rule 8).
    """
    try:
        remote, own = ipaddress.ip_address(endpoint.host), ipaddress.ip_address(bound.host)
    except ValueError:
        return 0.0
    if own.is_unspecified:
        return 2.0 if own.version in (6, remote.version) else 0.0
    if own.version != remote.version or (own.is_loopback and not remote.is_loopback):
        return 0.0
    if endpoint.local:
        return 3.0 if endpoint.local == own.packed else 0.0
    if own.is_link_local and own.version == 6 and bound.scope != endpoint.scope:
        return 0.0
    return 1.0 + (own.max_prefixlen - (int(own) ^ int(remote)).bit_length()) / 256


def _inet_source(local: bytes) -> list[ControlMessage]:
    if not local:
        return []
    return [(socket.IPPROTO_IP, IP_PKTINFO, IN_PKTINFO.pack(0, local, bytes(4)))]


def _inet6_source(local: bytes, scope: int) -> list[ControlMessage]:
    if not local:
        return []
    return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, IN6_PKTINFO.pack(local, scope))]
