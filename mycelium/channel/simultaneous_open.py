"""Which of two keypairs to send under when both ends hold both. For links and for end-to-end sessions.

When both ends start a handshake at once, both handshakes complete, and each end may have finished them in another order. The
one started by the end with the lower X25519 key wins, which both ends can tell. Otherwise the newer keypair wins.
"""

from typing import Final

from mycelium.channel.keypair import Keypair

SIMULTANEOUS_S: Final = 10.0  # two handshakes that complete within this time may have been started at once


def is_superseded(held: Keypair, by: Keypair, own_exchange_key: bytes) -> bool:
    """Tells whether to send under `by`, under which the peer was just heard, instead of under `held`."""
    held_initiator, other_initiator = held.initiator_key(own_exchange_key), by.initiator_key(own_exchange_key)
    if held_initiator != other_initiator and abs(by.established - held.established) < SIMULTANEOUS_S:
        return other_initiator < held_initiator
    return by.established > held.established
