"""NAT-PMP, the NAT Port Mapping Protocol (RFC 6886): the outside address is asked for, then a UDP port mapped.

0  1   version, 0
1  1   128 in answers, and the opcode: 0 the address, 1 a UDP port
2  2   result, in answers
4  4   seconds since the server lost its state, in answers

An answer about the address ends with its 4 bytes. The other request goes on at 4, its answer at 8:

   2   port of the client
   2   port outside: suggested, or given
   4   lifetime in seconds: asked for, or granted
"""

import struct
from ipaddress import IPv4Address
from typing import Final

from mycelium.errors import DecodeError, MappingRefused
from mycelium.packet.port_mapping import PortMapping

ADDRESS_REQUEST: Final = bytes(2)

_ADDRESS: Final = 0
_MAP_UDP: Final = 1
_ANSWER: Final = 128
_MAP_REQUEST: Final = struct.Struct("!BBxxHHI")
_HEAD: Final = struct.Struct("!BBH4x")
_MAP_TAIL: Final = struct.Struct("!HHI")
_RESULTS: Final = {
    1: "the router does not speak NAT-PMP",
    2: "the router allows it to nobody, or not to this host",
    3: "the router has no connection to the outside",
    4: "the router has no room for it",
    5: "the router maps no ports",
}


def nat_pmp_request(port: int, *, lifetime_s: int, suggested_port: int) -> bytes:
    """Returns the request to map a UDP port of its sender; a lifetime and a suggested port of 0 end the mapping."""
    return _MAP_REQUEST.pack(0, _MAP_UDP, port, suggested_port, lifetime_s)


def nat_pmp_address(data: bytes) -> str:
    """Decodes the answer about the outside address; raises MappingRefused, or DecodeError for what is no such answer."""
    return str(IPv4Address(_tail(data, _ADDRESS, 4)))


def nat_pmp_answer(data: bytes, port: int, host: str) -> PortMapping:
    """Decodes the answer about a port, mapped at the outside address `host`; raises as `nat_pmp_address` does."""
    its_port, outside_port, lifetime_s = _MAP_TAIL.unpack(_tail(data, _MAP_UDP, _MAP_TAIL.size))
    if its_port != port:
        raise DecodeError("an answer to another NAT-PMP request")
    return PortMapping(host, outside_port, lifetime_s)


def _tail(data: bytes, opcode: int, size: int) -> bytes:
    """Returns what an answer ends with."""
    if len(data) < _HEAD.size:
        raise DecodeError("truncated NAT-PMP answer")
    version, its_opcode, result = _HEAD.unpack_from(data)
    if version or its_opcode != _ANSWER | opcode:
        raise DecodeError("not a NAT-PMP answer to this request")
    if result:
        raise MappingRefused(_RESULTS.get(result, f"the router gives the NAT-PMP result {result}"))
    if len(data) != _HEAD.size + size:
        raise DecodeError("wrong length of a NAT-PMP answer")
    return data[_HEAD.size :]
