"""Cookies: proofs that somebody receives what is sent to an address, without any state.

A cookie is BLAKE2b-32 of the address under a secret that changes every two minutes; those of the secret before are good too.
The periods are those of a clock, however seldom a secret is used: no cookie is good for more than two of them.
"""

from math import inf
from typing import Final

from mycelium.crypto.noise import Entropy
from mycelium.identity import blake2b

COOKIE_SECRET_BYTES: Final = 32
COOKIE_SECRET_PERIOD_S: Final = 120.0


class CookieSecrets:
    """The present secret and the one before."""

    __slots__ = ("_entropy", "_previous", "_secret", "_since")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._secret = self._previous = b""
        self._since = -inf

    def cookie(self, address: bytes, *, now: float) -> bytes:
        """Returns the cookie to give to whoever claims an address."""
        return self.cookies(address, now=now)[0]

    def cookies(self, address: bytes, *, now: float) -> tuple[bytes, bytes]:
        """Returns the cookies that prove an address, the newer one first."""
        self._rotate(now=now)
        newer, older = (blake2b(address, size=32, key=secret) for secret in (self._secret, self._previous))
        return newer, older

    def _rotate(self, *, now: float) -> None:
        if self._since == -inf:
            self._since = now - COOKIE_SECRET_PERIOD_S
        age = now - self._since
        if age < COOKIE_SECRET_PERIOD_S:
            return
        is_previous_fresh = self._secret and age < 2 * COOKIE_SECRET_PERIOD_S
        self._previous = self._secret if is_previous_fresh else self._entropy(COOKIE_SECRET_BYTES)
        self._secret = self._entropy(COOKIE_SECRET_BYTES)
        self._since = now - age % COOKIE_SECRET_PERIOD_S
