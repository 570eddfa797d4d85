"""What is known of a node when its key is asked for: its announcement, nothing yet, or nothing at all."""

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal

from mycelium.wire.announcement import Announcement


class Pending(Enum):
    """The type of PENDING."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING  # the announcement has been asked for: worth asking again

# None: no such node is known, and asking again will not help
Resolution = Announcement | Literal[Pending.PENDING] | None

Resolver = Callable[[bytes], Resolution]
