"""Signatures that are as long as real ones and valid only if the simulation has issued them."""

from mycelium.identity import SIGNATURE_BYTES, blake2b
from mycelium.wire.announcement import Announcement
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import Statement

NETWORK_ID = b"simulate"


class Notary:
    """Signs announcements and home records for all nodes and remembers them, so that verifying is a look-up."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._signed: dict[tuple[bytes, int], Announcement] = {}
        self._newest: dict[bytes, Announcement] = {}  # by key
        self._homes: set[HomeRecord] = set()

    def sign(self, key: bytes, sequence: int, flags: int = 0) -> Announcement:
        """Returns the signed announcement of the node with this key."""
        known = self._signed.get((key, sequence))
        if known is None:
            signature = blake2b(key + sequence.to_bytes(6, "big"), size=SIGNATURE_BYTES, key=self._seed[:64])
            known = self._signed[key, sequence] = Announcement(
                key, sequence, NETWORK_ID, signature=signature, flags=flags
            )
            self._newest[key] = known
        return known

    def publish(self, key: bytes, sequence: int, number: int, home: bytes, backup: bytes) -> HomeRecord:
        """Returns the signed home record of the node with this key."""
        record = HomeRecord(key, sequence, number, NETWORK_ID, home, backup)
        self._homes.add(record)
        return record

    def verify(self, statement: Statement) -> bool:
        """Tells whether this statement has been signed here, exactly as it is."""
        if isinstance(statement, HomeRecord):
            return statement in self._homes
        if self._newest.get(statement.signing_public_key) is statement:
            return True
        known = self._signed.get((statement.signing_public_key, statement.sequence))
        return known is not None and known == statement


def address_of(seed: str, index: int) -> bytes:
    """Returns the overlay address of a simulated node."""
    return b"\x04" + blake2b(f"{seed}/{index}".encode(), size=15)


def key_of(address: bytes) -> bytes:
    """Returns the signing key of a simulated node: its address, then 16 zero bytes."""
    return address + bytes(16)


def address_of_key(key: bytes) -> bytes:
    """Returns the address that belongs to a simulated signing key."""
    return key[:16]
