"""Short tags in the heads of chunks, which an eavesdropper can't make for frames that have not been sent.

The tag of a frame is a part of the keystream of its key, under nonces that nothing else uses, so that 256 frames take one call
of the cipher. It keeps forged chunks from being taken for the first ones of frames to come; the seal proves what they hold.
"""

import struct
from typing import Final

from mycelium.crypto.primitives import Aead
from mycelium.wire.datagram import CHUNK_TAG_BITS, FIRST_TAG_BLOCK, TAG_BYTES

TAGS_PER_BLOCK: Final = 256
_NONCE: Final = struct.Struct("!4xQ")
_TAGS: Final = struct.Struct(f"!{TAGS_PER_BLOCK}H")
_ZEROS: Final = bytes(_TAGS.size)
_DROPPED_BITS: Final = 16 - CHUNK_TAG_BITS


class ChunkTags:
    """The tags of one direction of a link, for any counter."""

    __slots__ = ("_block", "_cipher", "_tags")

    def __init__(self, cipher: Aead) -> None:
        self._cipher = cipher
        self._block = -1
        self._tags: tuple[int, ...] = ()

    def of(self, counter: int) -> int:
        """Returns the tag of the frame with a counter."""
        block = counter // TAGS_PER_BLOCK
        if block != self._block:
            self._fill(block)
        return self._tags[counter % TAGS_PER_BLOCK] >> _DROPPED_BITS

    def _fill(self, block: int) -> None:
        sealed = bytearray(len(_ZEROS) + TAG_BYTES)
        self._cipher.encrypt_into(_NONCE.pack(FIRST_TAG_BLOCK + block), _ZEROS, None, sealed)
        self._tags = _TAGS.unpack_from(sealed)
        self._block = block
