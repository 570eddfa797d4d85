"""A node's own announcements and home records, signed, and the check of others'."""

from msgspec.structs import replace

from mycelium.identity import Identity, verify_signature
from mycelium.node.settings import NodeSettings
from mycelium.wire.announcement import Announcement
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import Statement, signed_bytes


def announce(identity: Identity, settings: NodeSettings, sequence: int, flags: int = 0) -> Announcement:
    """Returns the announcement of this node with a sequence, signed."""
    key, network = identity.signing_public_key, settings.network_id
    unsigned = Announcement(key, sequence, network, settings.prefixes, settings.name, flags=flags)
    return replace(unsigned, signature=identity.sign(signed_bytes(unsigned)))


def publish(
    identity: Identity, settings: NodeSettings, sequence: int, number: int, home: bytes, backup: bytes
) -> HomeRecord:
    """Returns the home record of this node with a number, signed."""
    key, network = identity.signing_public_key, settings.network_id
    unsigned = HomeRecord(key, sequence, number, network, home, backup)
    return replace(unsigned, signature=identity.sign(signed_bytes(unsigned)))


def is_signed(statement: Statement) -> bool:
    """Tells whether a statement is signed by the key in it."""
    return verify_signature(statement.signing_public_key, signed_bytes(statement), statement.signature)
