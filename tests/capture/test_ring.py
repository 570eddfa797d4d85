"""What a capture keeps: copies, in order, within a bound; what has no room is counted."""

from mycelium.capture.ring import CaptureRing
from mycelium.endpoint import Endpoint
from mycelium.limits import CAPTURE_BYTES

HERE = Endpoint("udp", "192.0.2.7", 9651)


def test_bursts_come_back_as_datagrams_as_they_were() -> None:
    ring, burst = CaptureRing(), memoryview(bytearray(b"aaabbbc"))
    ring.received(HERE, burst, 3, at=1.0)
    burst[:] = b"changed"
    ring.sent([(HERE, [b"dd", memoryview(b"ddee")], 4, True, 0), (HERE, [], 4, True, 0)], at=2.0)
    assert list(ring.take()) == [
        (1.0, False, HERE, b"aaa"),
        (1.0, False, HERE, b"bbb"),
        (1.0, False, HERE, b"c"),
        (2.0, True, HERE, b"dddd"),
        (2.0, True, HERE, b"ee"),
    ]
    assert list(ring.take()) == []


def test_what_has_no_room_is_counted_until_a_reader_makes_some() -> None:
    ring, burst = CaptureRing(), memoryview(bytes(60_000))
    for _ in range(CAPTURE_BYTES // 60_000 + 2):
        ring.received(HERE, burst, 1_000, at=1.0)
    assert ring.dropped == 120
    assert sum(len(data) for _, _, _, data in ring.take()) <= CAPTURE_BYTES
    ring.received(HERE, burst, 60_000, at=1.0)
    assert ring.dropped == 120
    assert len(list(ring.take())) == 1
