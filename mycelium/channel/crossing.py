"""Which of two sets of keys to send under, when both ends hold both. For links and for end-to-end sessions.

Handshakes that both ends begin at once both complete; the one begun by the lower X25519 key wins, which both ends can tell.
Otherwise the newer keys do.
"""

from typing import Final, Protocol

CROSSING_S: Final = 10.0  # handshakes completed within it may have crossed


class AgreedKeys(Protocol):
    """Keys that came of a handshake."""

    established: float

    def begun_by(self, own_exchange_key: bytes) -> bytes:
        """Returns the X25519 key of the end that began the handshake."""


def is_replaced(held: AgreedKeys, by: AgreedKeys, own_exchange_key: bytes) -> bool:
    """Tells whether what we send under `held` should travel under `by`, under which the other end was just heard."""
    ours, others = held.begun_by(own_exchange_key), by.begun_by(own_exchange_key)
    if ours != others and abs(by.established - held.established) < CROSSING_S:
        return others < ours
    return by.established > held.established
