"""The digest of an advertised table, by which two neighbours detect that their tables differ.

It is the sum over all finite routes of node x (sequence || metric), as integers, and so follows each change of a route by one
multiplication, however large the table is. Addresses are hashes of keys, so tables that differ by a fault have different sums.
A neighbour that lies could as well lie about the digest.

Both ends keep the sum with the number of routes above its bits, so that one integer follows both.
"""

from typing import Final

from mycelium.wire.control import Digest
from mycelium.wire.distance import FLIP, RETRACTED

_COUNT_SHIFT: Final = 240  # bits; the sum of a full table has 224
_ONE_ROUTE: Final = 1 << _COUNT_SHIFT
_SUM_MASK: Final = (1 << 128) - 1


def share_of(node: bytes, packed: int) -> int:
    """Returns what a route adds to the sum of a table."""
    return int.from_bytes(node, "big") * (packed ^ FLIP) + _ONE_ROUTE


def change_of(node: bytes, before: int, after: int) -> int:
    """Returns by how much the sum of a table grows when the distance of a route changes."""
    return int.from_bytes(node, "big") * ((after ^ FLIP) - (before ^ FLIP))


def growth_of(node: bytes, before: int, after: int) -> int:
    """Returns by how much the sum of a table grows when a route becomes finite, or its distance changes."""
    return change_of(node, before, after) if before < RETRACTED else share_of(node, after)


def digest_of(total: int) -> Digest:
    """Returns the digest of a table with this sum."""
    return Digest((total & _SUM_MASK).to_bytes(16, "big"), total >> _COUNT_SHIFT)
