"""Tokens of Retry packets (RFC 9000, section 8.1.2): who returns one receives at the address that it sends from.

A token tells all that must be remembered meanwhile, so that an answer to a forged address costs no memory.
"""

import hmac
import os
import struct
from typing import Final

TOKEN_S: Final = 10.0  # how long a token is good
ID_BYTES: Final = 8  # length of the connection identifiers that this end chooses
MAC_BYTES: Final = 16

_TIME: Final = struct.Struct(">d")


class RetryTokens:
    """Makes and checks the tokens of one process."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def make(self, address: tuple[str, int], original_id: bytes, chosen_id: bytes, *, now: float) -> bytes:
        """Returns the token for an address that has sent to `original_id` and is to send to `chosen_id` next."""
        content = _TIME.pack(now) + chosen_id + original_id
        return self._mac(address, content) + content

    def check(self, address: tuple[str, int], chosen_id: bytes, token: bytes, *, now: float) -> bytes | None:
        """Returns the original identifier of a token that this address was given lately; None otherwise."""
        content = token[MAC_BYTES:]
        original_at = _TIME.size + ID_BYTES
        if len(content) < original_at or not hmac.compare_digest(token[:MAC_BYTES], self._mac(address, content)):
            return None
        (made,) = _TIME.unpack_from(content)
        if now - made > TOKEN_S or content[_TIME.size : original_at] != chosen_id:
            return None
        return content[original_at:]

    def _mac(self, address: tuple[str, int], content: bytes) -> bytes:
        return hmac.digest(self._key, repr(address).encode() + content, "sha256")[:MAC_BYTES]
