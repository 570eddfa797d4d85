"""The result of looking up a node's key: its announcement, pending, or unknown."""

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal

from mycelium.wire.announcement import Announcement


class Pending(Enum):
    """The type of PENDING."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING  # the announcement was requested and may arrive: ask again later

# None: no such node is known
Resolution = Announcement | Literal[Pending.PENDING] | None

Resolver = Callable[[bytes], Resolution]
