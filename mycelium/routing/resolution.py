"""The result of looking up a node's key: what it has signed, with the key, pending, or unknown."""

from collections.abc import Callable
from enum import Enum
from typing import Final, Literal, Protocol

from mycelium.wire.statement import Statement


class Pending(Enum):
    """The type of PENDING."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING  # it was asked for and may arrive: ask again later

# None: no such node is known
Resolution = Statement | Literal[Pending.PENDING] | None

Resolver = Callable[[bytes], Resolution]


class LookUp(Protocol):
    """Resolves a node like a `Resolver`, but asks others if need be."""

    def __call__(self, node: bytes, *, now: float) -> Resolution: ...
