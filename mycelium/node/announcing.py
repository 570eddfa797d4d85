"""A node's own announcements, signed, and the check of others'."""

from msgspec.structs import replace

from mycelium.identity import Identity, verify_signature
from mycelium.node.settings import NodeSettings
from mycelium.wire.announcement import Announcement, signed_bytes


def announce(identity: Identity, settings: NodeSettings, sequence: int, flags: int = 0) -> Announcement:
    """Returns the announcement of this node with a sequence, signed."""
    key, network = identity.signing_public_key, settings.network_id
    unsigned = Announcement(key, sequence, network, settings.prefixes, settings.name, flags=flags)
    return replace(unsigned, signature=identity.sign(signed_bytes(unsigned)))


def is_signed(announcement: Announcement) -> bool:
    """Tells whether an announcement is signed by the key in it."""
    return verify_signature(announcement.signing_public_key, signed_bytes(announcement), announcement.signature)
