"""PCP, the Port Control Protocol (RFC 6887): the MAP request for a UDP port, and its answer.

0  1   version, 2
1  1   0x80 in answers, and the opcode: MAP is 1
2  1   reserved
3  1   result, in answers
4  4   lifetime in seconds: asked for, or granted; for an error, how long it will last
8  16  request: address of the client; answer: seconds since the server lost its state (4 bytes), reserved
24 12  nonce
36 1   Internet protocol
37 3   reserved
40 2   port of the client
42 2   port outside: suggested, or given
44 16  address outside: suggested, or given

Addresses are IPv6 or IPv4-mapped. Options may follow.
"""

import struct
from typing import Final

from mycelium.errors import DecodeError, MappingRefused
from mycelium.mapped_address import in_16_bytes, plain_address
from mycelium.packet.port_mapping import UDP_PROTOCOL, PortMapping

NONCE_BYTES: Final = 12
NOT_SPOKEN: Final = "the router does not speak PCP"

_VERSION: Final = 2
_MAP: Final = 1
_ANSWER: Final = 0x80
_UNSUPPORTED_VERSION: Final = 1  # result; a server of NAT-PMP gives it too, in two bytes at the same place
_REQUEST: Final = struct.Struct("!BBxxI16s12sB3xHH16s")
_REPLY: Final = struct.Struct("!BBxBI16x12sB3xHH16s")
_HEAD: Final = struct.Struct("!BBxB")
_LONGEST: Final = 1_100  # section 7
_ANY: Final = "0.0.0.0"
_RESULTS: Final = {
    2: "the router allows it to nobody, or not to this host",
    4: "the router maps no ports",
    7: "the router has no connection to the outside",
    8: "the router has no room for it",
    9: "the router maps no UDP ports",
    10: "this host has as many mapped ports as the router allows",
    12: "there is another NAT between this host and the router",
}


def pcp_request(client: str, port: int, nonce: bytes, *, lifetime_s: int, suggested_port: int) -> bytes:
    """Returns the request to map the UDP port of an IPv4 client; a lifetime of 0 ends the mapping."""
    ends = in_16_bytes(client), nonce, UDP_PROTOCOL, port, suggested_port, in_16_bytes(_ANY)
    return _REQUEST.pack(_VERSION, _MAP, lifetime_s, *ends)


def pcp_answer(data: bytes, port: int, nonce: bytes) -> PortMapping:
    """Decodes the answer to such a request; raises MappingRefused, or DecodeError for what is no answer to it."""
    if not _HEAD.size <= len(data) <= _LONGEST:
        raise DecodeError("wrong length of a PCP answer")
    version, opcode, result = _HEAD.unpack_from(data)
    if opcode & _ANSWER and result == _UNSUPPORTED_VERSION:
        raise MappingRefused(NOT_SPOKEN)
    if version != _VERSION or opcode != _ANSWER | _MAP or len(data) < _REPLY.size:
        raise DecodeError("not a PCP answer to a MAP request")
    _, _, _, lifetime_s, its_nonce, protocol, its_port, outside_port, address = _REPLY.unpack_from(data)
    if (its_nonce, protocol, its_port) != (nonce, UDP_PROTOCOL, port):
        raise DecodeError("an answer to another PCP request")
    if result:
        raise MappingRefused(_RESULTS.get(result, f"the router gives the PCP result {result}"))
    return PortMapping(plain_address(address), outside_port, lifetime_s)
