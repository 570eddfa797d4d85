"""What neighbours do beyond their budgets, in words for operators, until the node tells of it."""

from typing import Final

STARTS: Final = "it begins control streams too often, and is not listened to for some seconds"
CHANGES: Final = "it changes routes all the time; others are told of them more slowly"
SHARE: Final = (
    "it brings more nodes than its share of the route table, which is nearly full; nodes that only it brings give way"
)


class Excesses:
    """Each excess of each neighbour once, since they were taken last."""

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        self._noted: dict[tuple[bytes, str], None] = {}

    def note(self, node: bytes, cause: str) -> None:
        """Notes what the neighbour with an overlay address does."""
        self._noted[node, cause] = None

    def take(self) -> list[tuple[bytes, str]]:
        """Returns neighbours and what they do, in the order in which it was first noted."""
        taken = list(self._noted)
        self._noted.clear()
        return taken
