"""What a node that lies makes of the updates it sends."""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item, Update
from mycelium.wire.distance import INFINITY, distance

ATTRACTIVE_METRIC: Final = 1


def _attract(update: Update, liar: bytes) -> Update:
    """Claims to be next to everyone; no signature covers a metric."""
    return structs.replace(update, distance=distance(update.sequence, ATTRACTIVE_METRIC))


def _forge(update: Update, liar: bytes) -> Update:
    """Speaks for everyone with a newer sequence than they have, under a signature that it makes up."""
    key = update.node + bytes(16)
    sequence = update.sequence + 1
    announcement = Announcement(key, sequence, b"simulate", signature=liar * 4)
    return Update(update.node, distance(sequence, ATTRACTIVE_METRIC), announcement)


def _impersonate(update: Update, liar: bytes) -> Update:
    """Introduces every node with an announcement of its own, as if their addresses were the liar's."""
    announcement = Announcement(liar + bytes(16), update.sequence, b"simulate", signature=liar * 4)
    return Update(update.node, distance(update.sequence, ATTRACTIVE_METRIC), announcement)


LIES: Final[dict[str, Callable[[Update, bytes], Update]]] = {
    "attract": _attract,
    "forge": _forge,
    "impersonate": _impersonate,
}


def falsify(lie: str, items: list[Item], liar: bytes) -> list[Item]:
    """Returns what a liar sends in place of `items`; of itself it says the truth."""
    change = LIES[lie]
    return [
        change(item, liar)
        if isinstance(item, Update) and item.node != liar and (item.metric != INFINITY or lie == "attract")
        else item
        for item in items
    ]
