"""Messages of nftables by netlink: rules at a device's ingress that rewrite and forward UDP datagrams.

From <linux/netfilter/nf_tables.h>. Numbers are big endian, but for that of a device in a register.
"""

import struct
import sys
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from mycelium.packet.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    attribute,
    attributes,
    message,
)

_SUBSYSTEM: Final = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN: Final = 0x10
_BATCH_END: Final = 0x11
_NEWTABLE: Final = 0
_NEWCHAIN: Final = 3
_DELCHAIN: Final = 5
_NEWRULE: Final = 6
_GETRULE: Final = 7
_DELRULE: Final = 8
_NEWSET: Final = 9
_NEWSETELEM: Final = 12
_DELSETELEM: Final = 14
_NLM_F_APPEND: Final = 0x800
_NESTED: Final = 0x8000

_NETDEV: Final = 5  # NFPROTO_NETDEV
_PRIORITY: Final = -300  # as that of raw tables: before what others may have there
_TABLE_OWNER: Final = 2  # the table belongs to the socket that makes it, and is gone with it
_SET_IS_MAP: Final = 0x8
_SET_ID: Final = 1
_SERVICE_TYPE: Final = 13  # for nft, which shows the keys of the map as ports
_VERDICT_TYPE: Final = 0xFFFF_FF00
_GOTO: Final = -4 & 0xFFFF_FFFF
_ACCEPT: Final = 1
_VERDICT_REGISTER: Final = 0
_FIRST: Final = 1  # registers of 16 bytes
_SECOND: Final = 2
_META_PROTOCOL: Final = 1
_META_L4PROTO: Final = 16
_NETWORK_HEADER: Final = 1
_TRANSPORT_HEADER: Final = 2
_INTERNET_CHECKSUM: Final = 1
_WITH_PSEUDO_HEADER: Final = 1
_IPV4_CHECKSUM_AT: Final = 10
_UDP_CHECKSUM_AT: Final = 6
_UDP: Final = bytes((17,))
_ETHERTYPES: Final = {4: b"\x08\x00", 16: b"\x86\xdd"}  # by the length of addresses
_SOURCES_AT: Final = {4: 12, 16: 8}  # in the network header; the destination follows
_FAMILIES: Final = {4: 2, 16: 10}  # NFPROTO_IPV4, NFPROTO_IPV6
_LEASES: Final = "leases"  # the map from ports to chains

_HEAD: Final = struct.Struct("!BBH")  # family, version, resource
_U16: Final = struct.Struct("!H")
_U32: Final = struct.Struct("!I")
_U64: Final = struct.Struct("!Q")


class Way(Struct, frozen=True):
    """One direction: what comes from `source` to `arrives_at` is sent from `leaves_from` to `destination`.

    Addresses have 4 or 16 bytes. `interface` and `gateway` are the route to the destination, which is its own gateway on the
    link.
    """

    source: tuple[bytes, int]
    arrives_at: bytes
    leaves_from: bytes
    destination: tuple[bytes, int]
    interface: int
    gateway: bytes


def batch(changes: Iterable[bytes]) -> bytes:
    """Returns messages that the kernel carries out all or not at all."""
    head = _HEAD.pack(0, 0, _SUBSYSTEM)
    return message(_BATCH_BEGIN, NLM_F_REQUEST, head) + b"".join(changes) + message(_BATCH_END, NLM_F_REQUEST, head)


def new_table(table: str) -> list[bytes]:
    """Returns the changes that make a table, which is gone with the socket that they are sent by."""
    leases = [
        _text(1, table),
        _text(2, _LEASES),
        _number(3, _SET_IS_MAP),
        _number(4, _SERVICE_TYPE),
        _number(5, _U16.size),
    ]
    leases += [_number(6, _VERDICT_TYPE), _number(10, _SET_ID)]
    return [
        _change(_NEWTABLE, _text(1, table), _number(2, _TABLE_OWNER)),
        _change(_NEWSET, *leases),
    ]


def new_ingress(table: str, chain: str, device: str) -> list[bytes]:
    """Returns the changes that have what arrives on a device looked up by its UDP port."""
    hook = _nested(4, _number(1, 0), attribute(2, struct.pack("!i", _PRIORITY)), _text(3, device))
    return [
        _change(_NEWCHAIN, _text(1, table), _text(3, chain), hook, _number(5, _ACCEPT), _text(7, "filter")),
        _rule(
            table,
            chain,
            _is_udp()
            + _loaded(_TRANSPORT_HEADER, 2, _U16.size)
            + _expression("lookup", _text(1, _LEASES), _number(2, _FIRST), _number(3, _VERDICT_REGISTER)),
        ),
    ]


def new_lease(table: str, port: int) -> list[bytes]:
    """Returns the changes that make an empty chain for a port."""
    return [
        _change(_NEWCHAIN, _text(1, table), _text(3, chain_of(port))),
        _change(_NEWSETELEM, *_element(table, port)),
    ]


def set_ways(table: str, port: int, ways: Iterable[Way]) -> list[bytes]:
    """Returns the changes that replace the rules of a port."""
    chain = chain_of(port)
    empty = _change(_DELRULE, _text(1, table), _text(2, chain))
    return [empty, *(_rule(table, chain, _pass_on(way, port)) for way in ways)]


def end_lease(table: str, port: int) -> list[bytes]:
    """Returns the changes that remove the chain of a port."""
    return [
        _change(_DELSETELEM, *_element(table, port)),
        _change(_DELCHAIN, _text(1, table), _text(3, chain_of(port))),
    ]


def question_for_rules(table: str, port: int) -> bytes:
    """Returns the question for the rules of a port, which have counters."""
    body = _HEAD.pack(_NETDEV, 0, 0) + _text(1, table) + _text(2, chain_of(port))
    return message(_SUBSYSTEM << 8 | _GETRULE, NLM_F_REQUEST | NLM_F_DUMP, body)


def counted(rule: bytes) -> tuple[int, int]:
    """Returns how many packets and bytes a rule has counted, from the body of an answer."""
    expressions = dict(attributes(rule[_HEAD.size :])).get(4, b"")
    for _, expression in attributes(expressions):
        found = dict(attributes(expression))
        if found.get(1) == b"counter\0":
            values = dict(attributes(found[2]))
            return _U64.unpack(values[2])[0], _U64.unpack(values[1])[0]
    return 0, 0


def chain_of(port: int) -> str:
    """Returns the name of a port's chain."""
    return f"port_{port}"


# -- rules -----------------------------------------------------------------------------------------------------------------


def _pass_on(way: Way, port: int) -> bytes:
    """Returns the expressions of the rule for one direction."""
    size = len(way.arrives_at)
    source_at, family = _SOURCES_AT[size], _FAMILIES[size]
    (source, its_port), (destination, to_port) = way.source, way.destination
    return b"".join(
        (
            _expression("meta", _number(1, _FIRST), _number(2, _META_PROTOCOL)) + _equals(_ETHERTYPES[size]),
            _is_udp(),
            _loaded(_NETWORK_HEADER, source_at, size) + _equals(source),
            _loaded(_NETWORK_HEADER, source_at + size, size) + _equals(way.arrives_at),
            _loaded(_TRANSPORT_HEADER, 0, _U16.size) + _equals(_U16.pack(its_port)),
            _counter(),
            _stored(_NETWORK_HEADER, source_at, way.leaves_from),
            _stored(_NETWORK_HEADER, source_at + size, destination),
            _stored(_TRANSPORT_HEADER, 0, _U16.pack(port)),
            _stored(_TRANSPORT_HEADER, 2, _U16.pack(to_port)),
            _immediate(_FIRST, way.interface.to_bytes(4, sys.byteorder)),
            _immediate(_SECOND, way.gateway),
            _expression("fwd", _number(1, _FIRST), _number(2, _SECOND), _number(3, family)),
        )
    )


def _is_udp() -> bytes:
    return _expression("meta", _number(1, _FIRST), _number(2, _META_L4PROTO)) + _equals(_UDP)


def _equals(value: bytes) -> bytes:
    return _expression("cmp", _number(1, _FIRST), _number(2, 0), _nested(3, attribute(1, value)))


def _loaded(header: int, offset: int, length: int) -> bytes:
    return _expression("payload", _number(1, _FIRST), _number(2, header), _number(3, offset), _number(4, length))


def _stored(header: int, offset: int, value: bytes) -> bytes:
    """Returns the expressions that write into a header and correct the checksums that cover it."""
    where = [_number(2, header), _number(3, offset), _number(4, len(value)), _number(5, _FIRST)]
    if header == _TRANSPORT_HEADER:
        where += [_number(6, _INTERNET_CHECKSUM), _number(7, _UDP_CHECKSUM_AT)]
    else:
        if len(value) == 4:
            where += [_number(6, _INTERNET_CHECKSUM), _number(7, _IPV4_CHECKSUM_AT)]
        where.append(_number(8, _WITH_PSEUDO_HEADER))
    return _immediate(_FIRST, value) + _expression("payload", *where)


def _immediate(register: int, value: bytes) -> bytes:
    return _expression("immediate", _number(1, register), _nested(2, attribute(1, value)))


def _counter() -> bytes:
    return _expression("counter", attribute(1, bytes(_U64.size)), attribute(2, bytes(_U64.size)))


def _element(table: str, port: int) -> tuple[bytes, ...]:
    verdict = _nested(2, _nested(2, _number(1, _GOTO), _text(2, chain_of(port))))
    element = _nested(1, _nested(1, attribute(1, _U16.pack(port))), verdict)
    return _text(1, table), _text(2, _LEASES), _nested(3, element)


# -- attributes ------------------------------------------------------------------------------------------------------------


def _change(kind: int, *body: bytes) -> bytes:
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
    return message(_SUBSYSTEM << 8 | kind, flags, _HEAD.pack(_NETDEV, 0, 0) + b"".join(body))


def _rule(table: str, chain: str, expressions: bytes) -> bytes:
    body = _HEAD.pack(_NETDEV, 0, 0) + _text(1, table) + _text(2, chain) + _nested(4, expressions)
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | _NLM_F_APPEND
    return message(_SUBSYSTEM << 8 | _NEWRULE, flags, body)


def _expression(name: str, *data: bytes) -> bytes:
    return _nested(1, _text(1, name), _nested(2, *data))


def _nested(kind: int, *body: bytes) -> bytes:
    return attribute(kind | _NESTED, b"".join(body))


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, _U32.pack(value))
