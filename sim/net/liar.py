"""Falsified updates, as a malicious node would send them."""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Item, Update
from mycelium.wire.distance import INFINITY, distance

from .signing import NETWORK_ID

ATTRACTIVE_METRIC: Final = 1


def _attract(update: Update, liar: bytes) -> Update:
    """Claims a metric of 1 to every node; signatures do not cover metrics."""
    return structs.replace(update, distance=distance(update.sequence, ATTRACTIVE_METRIC))


def _forge(update: Update, liar: bytes) -> Update:
    """Announces a newer sequence number for every node under an invalid signature."""
    key = update.node + bytes(16)
    sequence = update.sequence + 1
    announcement = Announcement(key, sequence, _network_of(update), signature=liar * 4)
    return Update(update.node, distance(sequence, ATTRACTIVE_METRIC), announcement)


def _impersonate(update: Update, liar: bytes) -> Update:
    """Announces every node with the liar's own key."""
    announcement = Announcement(liar + bytes(16), update.sequence, _network_of(update), signature=liar * 4)
    return Update(update.node, distance(update.sequence, ATTRACTIVE_METRIC), announcement)


def _network_of(update: Update) -> bytes:
    return NETWORK_ID if update.announcement is None else update.announcement.network_id


LIES: Final[dict[str, Callable[[Update, bytes], Update]]] = {
    "attract": _attract,
    "forge": _forge,
    "impersonate": _impersonate,
}


def falsify(lie: str, items: list[Item], liar: bytes) -> list[Item]:
    """Returns what a liar sends in place of `items`. It announces itself truthfully."""
    change = LIES[lie]
    return [
        change(item, liar)
        if isinstance(item, Update) and item.node != liar and (item.metric != INFINITY or lie == "attract")
        else item
        for item in items
    ]
