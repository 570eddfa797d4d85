"""The keys that one handshake with a neighbour left, and what comes under them."""

from typing import Final

from mycelium.crypto.link_handshake import LinkKeys
from mycelium.link.handshakes import Completed
from mycelium.link.reassembly import PartialBudget, Reassembly
from mycelium.link.repair.budget import RepairBudget
from mycelium.link.repair.holes import Holes

REKEY_AFTER_S: Final = 15 * 60.0
RESPONDER_REKEYS_LATER_S: Final = 20.0  # so that one end begins
IDLE_KEYS_KEPT_S: Final = 30.0
MESSAGE_3_AGAIN_S: Final = 0.25
MESSAGE_3_PATIENCE_S: Final = 5.0


class LinkSession:
    """One set of link keys in use. `message_3` is kept by an initiator until the neighbour is heard under these keys."""

    __slots__ = (
        "endpoint",
        "established",
        "holes",
        "keys",
        "last_opened",
        "message_3",
        "message_3_due",
        "opening",
        "reassembly",
        "sealing",
    )

    def __init__(self, completed: Completed, budget: PartialBudget, held: RepairBudget, *, now: float) -> None:
        keys = completed.keys
        self.keys: LinkKeys = keys
        self.endpoint = completed.endpoint  # over which they were agreed
        self.sealing = keys.sending
        self.opening = keys.opening
        self.reassembly = Reassembly(keys.local_index, keys.opening.window.check, budget)
        self.holes = Holes(held)
        self.established = now
        self.last_opened = now
        self.message_3 = completed.message_3
        self.message_3_due = now + MESSAGE_3_AGAIN_S

    def begun_by(self, own_exchange_key: bytes) -> bytes:
        """Returns the X25519 key of the end that began the handshake."""
        return own_exchange_key if self.keys.initiator else self.keys.peer_exchange_key

    def wants_new_keys(self, now: float) -> bool:
        """Tells whether a rekey is due at this end."""
        age = REKEY_AFTER_S if self.keys.initiator else REKEY_AFTER_S + RESPONDER_REKEYS_LATER_S
        return now - self.established > age or self.sealing.should_rekey
