"""A daemon that has all keys of its node but the ML-DSA key; it takes the options of any daemon.

So would somebody who breaks X25519 and Ed25519.
"""

import os
import sys
from typing import Final

from mycelium.cli.main import main
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import RealPrimitives

_SEED_BYTES: Final = 32


def _sign_by_another_key(self: KeyProver, message: bytes) -> bytes:
    primitives = RealPrimitives()
    private, _ = primitives.dsa_keypair(os.urandom(_SEED_BYTES))
    return primitives.dsa_sign(private, message)


if __name__ == "__main__":
    KeyProver.sign = _sign_by_another_key  # type: ignore[method-assign]
    sys.exit(main())
