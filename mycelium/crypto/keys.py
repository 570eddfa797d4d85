"""The two keys of a keypair, one for each direction: sealing and opening, with their counters and limits.

Data path: everything that leaves or enters the node passes `seal_into` and `open_into`.
"""

import struct
from typing import Final

from cryptography.exceptions import InvalidTag

from mycelium.crypto.primitives import Aead, Buffer
from mycelium.crypto.replay import AscendingOnly, ReplayWindow
from mycelium.errors import LocalError

REKEY_BLOCKS: Final = 1 << 32  # 64 GiB, after which a new handshake is due
LAST_BLOCK: Final = 1 << 34  # 256 GiB, after which the key seals nothing more

_NONCE: Final = struct.Struct("!4xQ")
_pack_nonce: Final = _NONCE.pack


class SealingKey:
    """Seals what this end sends. `counter` is the next one to use; `blocks` counts 16-byte cipher blocks."""

    __slots__ = ("blocks", "cipher", "counter")

    def __init__(self, cipher: Aead, *, first: int = 1) -> None:
        self.cipher = cipher
        self.counter = first
        self.blocks = 0

    @property
    def should_rekey(self) -> bool:
        """Tells whether so much was sealed that a new handshake is due."""
        return self.blocks >= REKEY_BLOCKS

    @property
    def is_worn_out(self) -> bool:
        """Tells whether it seals nothing more."""
        return self.blocks >= LAST_BLOCK

    def wear_out(self) -> None:
        """Has it seal nothing more."""
        self.blocks = LAST_BLOCK

    def skip(self, plaintext_bytes: int) -> int:
        """Returns the counter of what another key seals in place of this one, which seals nothing under it any more."""
        counter = self.counter
        self.counter = counter + 1
        self.blocks += plaintext_bytes + 31 >> 4
        return counter

    def seal_into(self, counter: int, plaintext: Buffer, aad: Buffer, out: Buffer) -> None:
        """Seals `plaintext` into `out`, exactly 16 bytes longer, and sets the next counter to `counter` + 1.

        Raises LocalError, and seals nothing, for a counter that may have been used and for a worn-out key.
        """
        if counter < self.counter:
            raise LocalError(f"counter {counter} is behind {self.counter}: a nonce must never seal twice")
        blocks = self.blocks + (len(plaintext) + 31 >> 4)  # one block masks the tag
        if blocks > LAST_BLOCK:
            raise LocalError("the key is worn out: a new handshake is overdue")
        self.counter = counter + 1
        self.blocks = blocks
        self.cipher.encrypt_into(_pack_nonce(counter), plaintext, aad, out)


class OpeningKey:
    """Opens what the peer sent, each counter once. `opened` counts the frames that authenticated."""

    __slots__ = ("cipher", "opened", "window")

    def __init__(self, cipher: Aead, window: ReplayWindow | AscendingOnly | None = None) -> None:
        self.cipher = cipher
        self.window = window or ReplayWindow()
        self.opened = 0

    @property
    def newest(self) -> int:
        """The newest counter opened, 0 for none."""
        return self.window.newest

    def note(self, counter: int) -> bool:
        """Notes what another key has opened in place of this one; tells whether it is no replay."""
        window = self.window
        if counter != window.newest + 1 and not window.check(counter):
            return False
        window.commit(counter)
        self.opened += 1
        return True

    def open_into(self, counter: int, sealed: Buffer, aad: Buffer, out: Buffer) -> bool:
        """Opens `sealed` into `out`, exactly 16 bytes shorter; tells whether it is authentic and not a replay.

        After False, no state has changed, and the content of `out` must not be used.
        """
        window = self.window
        if counter != window.newest + 1 and not window.check(counter):
            return False
        try:
            self.cipher.decrypt_into(_pack_nonce(counter), sealed, aad, out)
        except InvalidTag:
            return False
        window.commit(counter)
        self.opened += 1
        return True
