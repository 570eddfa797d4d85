"""Bytes of control messages by kind."""

import pytest

from mycelium.wire.announcement import Announcement
from mycelium.wire.control import ANY_NODE, Digest, Item, Pin, Resume, Resumed, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from sim.net.kinds import KindCount
from sim.net.sizes import batch_bytes, items_bytes
from tests.sim.play.support import settled_stage

STRANGER = bytes(15) + b"\x01"
ANNOUNCEMENT = Announcement(bytes(32), 1, bytes(8))
DIGEST = Digest(bytes(16), 0)
KINDS: list[tuple[Item, str]] = [
    (Update(STRANGER, distance(1, 5), ANNOUNCEMENT), "announcements"),
    (Update(STRANGER, distance(1, 5)), "updates"),
    (Update(STRANGER, distance(1, INFINITY), ANNOUNCEMENT), "retractions"),
    (SeqnoRequest(STRANGER, 1, 1), "requests"),
    (RouteRequest(ANY_NODE), "requests"),
    (DIGEST, "digests"),
    (Pin(STRANGER, STRANGER, True), "pins"),
    (Resume(DIGEST), "resumptions"),
    (Resumed(), "resumptions"),
]


@pytest.mark.parametrize(("item", "kind"), KINDS)
def test_a_message_is_counted_as_what_it_is_and_its_frame_apart(item: Item, kind: str) -> None:
    engine = settled_stage("line", 2).mesh.engine(0)
    assert engine is not None
    count = KindCount()
    count.add([item, item], engine)
    length = items_bytes([item, item])
    assert count.sent == {kind: length, "frames": batch_bytes(length) - length}


def test_updates_of_landmarks_are_told_apart() -> None:
    stage = settled_stage("ring", 12, scope=4, landmark_after_s=0.0, landmark_wait_s=0.3)
    engine = stage.mesh.engine(0)
    assert engine is not None
    landmark = next(node for _, node in engine.landmarks.reached())
    count = KindCount()
    for metric in (5, INFINITY):
        count.add([Update(landmark, distance(1, metric)), Update(STRANGER, distance(1, 5))], engine)
    assert count.sent["of landmarks"] == count.sent["updates"]
    assert "retractions" not in count.sent
