"""The digest of an advertised table, by which two neighbours detect that their tables differ.

BLAKE2b of 16 bytes over, in ascending order of node: node (16), sequence (6), metric (4) of each finite route.
"""

from collections.abc import Iterable

from mycelium.identity import blake2b
from mycelium.wire.distance import FLIP

DIGEST_BYTES = 16


def digest_of(routes: Iterable[tuple[bytes, int]]) -> bytes:
    """Returns the digest of (node, distance) pairs in any order."""
    entries = [node + (packed ^ FLIP).to_bytes(10, "big") for node, packed in routes]
    entries.sort()
    return blake2b(b"".join(entries), size=DIGEST_BYTES)
