"""What nodes sign about themselves: announcements and home records."""

from mycelium.wire import announcement, home_record
from mycelium.wire.announcement import Announcement
from mycelium.wire.home_record import HomeRecord

Statement = Announcement | HomeRecord


def signed_bytes(statement: Statement) -> bytes:
    """Returns what the signature covers: the label and every field before it."""
    if isinstance(statement, HomeRecord):
        return home_record.signed_bytes(statement)
    return announcement.signed_bytes(statement)
