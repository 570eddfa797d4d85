"""What nodes sign about themselves."""

from mycelium.wire import announcement, home_record
from mycelium.wire.announcement import Announcement
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import signed_bytes


def test_each_kind_of_statement_is_signed_under_its_own_label() -> None:
    announced = Announcement(bytes(32), 1, bytes(8))
    at_home = HomeRecord(bytes(32), 1, 1, bytes(8), bytes(16))
    assert signed_bytes(announced) == announcement.signed_bytes(announced)
    assert signed_bytes(at_home) == home_record.signed_bytes(at_home)
    assert not signed_bytes(at_home).startswith(announcement.SIGNATURE_LABEL)
