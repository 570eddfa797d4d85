from msgspec.structs import replace

from mycelium.identity import Identity
from mycelium.node.announcing import announce, is_signed, publish
from mycelium.node.settings import NodeSettings
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305


def test_an_announcement_is_signed_as_a_whole() -> None:
    settings = NodeSettings(suites=SUITE_CHACHA20_POLY1305, network_id=b"network1")
    announcement = announce(Identity(bytes(32)), settings, 7 << 16)
    assert (announcement.sequence, announcement.network_id) == (7 << 16, b"network1")
    assert is_signed(announcement)
    assert not is_signed(replace(announcement, sequence=8 << 16))
    assert not is_signed(replace(announcement, network_id=b"network2"))
    assert not is_signed(replace(announcement, signing_public_key=Identity(bytes(31) + b"\1").signing_public_key))


def test_a_home_record_is_signed_as_a_whole() -> None:
    settings = NodeSettings(suites=SUITE_CHACHA20_POLY1305, network_id=b"network1")
    record = publish(Identity(bytes(32)), settings, 7 << 16, 3, b"h" * 16, b"b" * 16)
    assert (record.network_id, record.homes) == (b"network1", (b"h" * 16, b"b" * 16))
    assert is_signed(record)
    assert not is_signed(replace(record, home=b"x" * 16))
    assert not is_signed(replace(record, number=4))
