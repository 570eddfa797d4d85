"""Routing engines with readable addresses and cheap signatures."""

import random

from msgspec.structs import replace

from mycelium.identity import blake2b
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Announcement, Prefix
from mycelium.wire.home_record import NOWHERE, HomeRecord
from mycelium.wire.statement import Statement, signed_bytes

QUICK = RoutingParameters(
    lazy_s=(1.0, 2.0),
    lazy_scoped_s=(1.0, 2.0),
    digest_s=5.0,
    damping_unit_s=0.1,
    damping_ceiling_s=0.5,
    request_slow_s=5.0,
    resync_floor_s=1.0,
)
NETWORK_ID = b"testnet\x00"


def address(name: int) -> bytes:
    """Returns the address of node `name`; its key is the address and 16 zero bytes."""
    return bytes((4, 0)) + name.to_bytes(6, "big") + bytes(7) + b"\x01"


def key_of(name: int) -> bytes:
    """Returns the signing key of node `name`."""
    return address(name) + bytes(16)


def announcement(
    name: int, sequence: int, network_id: bytes = NETWORK_ID, prefixes: tuple[Prefix, ...] = (), *, flags: int = 0
) -> Announcement:
    """Returns what node `name` signs, with a hash in place of the signature."""
    unsigned = Announcement(key_of(name), sequence, network_id, prefixes, flags=flags)
    signature = blake2b(signed_bytes(unsigned), size=64)
    return replace(unsigned, signature=signature)


def home_record(name: int, number: int, home: bytes, backup: bytes = NOWHERE, *, sequence: int = 0) -> HomeRecord:
    """Returns the home record of node `name`, with a hash in place of the signature."""
    unsigned = HomeRecord(key_of(name), sequence, number, NETWORK_ID, home, backup)
    return replace(unsigned, signature=blake2b(signed_bytes(unsigned), size=64))


def verify(signed: Statement) -> bool:
    """Checks such a hash."""
    return signed.signature == blake2b(signed_bytes(signed), size=64)


def make_engine(
    name: int, *, epoch: int = 1, now: float = 0.0, seed: int = 0, parameters: RoutingParameters = QUICK
) -> RoutingEngine:
    """Returns the engine of node `name` with cheap signatures."""
    return RoutingEngine(
        node=address(name),
        announce=lambda sequence, flags: announcement(name, sequence, flags=flags),
        publish=lambda sequence, number, home, backup: home_record(name, number, home, backup, sequence=sequence),
        verify=verify,
        address_of=lambda key: key[:16],
        epoch=epoch,
        rng=random.Random(seed),
        now=now,
        network_id=NETWORK_ID,
        parameters=parameters,
    )
