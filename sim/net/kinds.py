"""The bytes of control messages by kind, counted while a scenario wants to know."""

from collections.abc import Sequence
from typing import Final

from mycelium.routing.engine import RoutingEngine
from mycelium.wire.control import Digest, Item, Pin, Resume, Resumed, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY

from .sizes import batch_bytes, items_bytes

OF_LANDMARKS: Final = "of landmarks"  # updates and retractions of nodes that the sender knows as landmarks
ANNOUNCEMENTS: Final = "announcements"  # other updates with an announcement
UPDATES: Final = "updates"  # those without
RETRACTIONS: Final = "retractions"
FRAMES: Final = "frames"  # headers, tags and acknowledgements
_KINDS: Final = {
    SeqnoRequest: "requests",
    RouteRequest: "requests",
    Digest: "digests",
    Pin: "pins",  # and the home records in them
    Resume: "resumptions",
    Resumed: "resumptions",
}


class KindCount:
    """What was sent by all nodes together, in bytes by kind."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}

    def add(self, items: Sequence[Item], engine: RoutingEngine) -> None:
        """Counts a batch that an engine sends."""
        total = 0
        for item in items:
            length = items_bytes([item])
            total += length
            self._add(_kind_of(item, engine), length)
        self._add(FRAMES, batch_bytes(total) - total)

    def _add(self, kind: str, length: int) -> None:
        self.sent[kind] = self.sent.get(kind, 0) + length


def _kind_of(item: Item, engine: RoutingEngine) -> str:
    if type(item) is not Update:
        return _KINDS[type(item)]
    if engine.landmarks.knows(item.node):
        return OF_LANDMARKS
    if item.metric == INFINITY:
        return RETRACTIONS
    return UPDATES if item.announcement is None else ANNOUNCEMENTS
