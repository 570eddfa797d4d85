"""The keypairs of one link: the neighbour may send under any of them, this node sends under one.

After a rekey the old keypair still opens the frames that are under way. An initiator resends message 3 of the handshake until
the neighbour is heard under the new keypair, since nothing else tells that it has arrived.
"""

from math import inf
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.channel.simultaneous_open import is_superseded
from mycelium.link.counters import LinkCounters
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import MESSAGE_3_AGAIN_S, MESSAGE_3_PATIENCE_S, LinkKeypair
from mycelium.link.reassembly import PartialBudget
from mycelium.outbox import Outbox

KEYPAIRS_PER_LINK: Final = 4


class Keypairs:
    """Keypairs by our index, which names them in datagrams, oldest first; `sending` is the one that seals."""

    __slots__ = ("_counters", "_held_budget", "_outbox", "_own_exchange_key", "_partial_budget", "by_index", "sending")

    def __init__(
        self,
        completed: Completed,
        *,
        own_exchange_key: bytes,
        partial_budget: PartialBudget,
        held_budget: ByteBudget,
        counters: LinkCounters,
        outbox: Outbox,
        now: float,
    ) -> None:
        self.by_index: dict[int, LinkKeypair] = {}
        self._own_exchange_key = own_exchange_key
        self._partial_budget = partial_budget
        self._held_budget = held_budget
        self._outbox = outbox
        self._counters = counters
        self.sending = self.add(completed, now=now)

    def add(self, completed: Completed, *, now: float) -> LinkKeypair:
        """Returns the keypair of a completed handshake; beyond the bound the oldest that is not in use is removed."""
        keypair = LinkKeypair(completed, self._partial_budget, self._held_budget, self._counters, now=now)
        self.by_index[keypair.local_index] = keypair
        for old in list(self.by_index.values()):
            if len(self.by_index) > KEYPAIRS_PER_LINK and old is not keypair and old is not self.sending:
                self.remove(old)
        return keypair

    def keep_only(self, keypair: LinkKeypair) -> None:
        """Removes all keypairs but one, which this node sends under from now on: the others are of another process."""
        for old in list(self.by_index.values()):
            if old is not keypair:
                self.remove(old)
        self.sending = keypair

    def confirm(self, keypair: LinkKeypair) -> bool:
        """Notes that the neighbour uses a keypair; returns whether this node is to send under it from now on.

        At first it is followed: it may hold no other one. Once it uses both keypairs of a simultaneous open, both ends prefer
        the same one.
        """
        is_first = keypair.message_3 is not None
        keypair.message_3 = None
        return keypair is not self.sending and (
            is_first or is_superseded(self.sending, keypair, self._own_exchange_key)
        )

    def handle_timeout(self, *, now: float) -> None:
        """Resends message 3 where that is due, and removes keypairs out of use."""
        for keypair in list(self.by_index.values()):
            if keypair.message_3 is not None and now >= keypair.message_3_due:
                self._resend_message_3(keypair, now=now)
            elif keypair is not self.sending and keypair.is_idle(now=now):
                self.remove(keypair)

    def next_deadline(self) -> float:
        """Returns when a message 3 or a gap is due."""
        return min(
            (
                min(keypair.gaps.due_at, inf if keypair.message_3 is None else keypair.message_3_due)
                for keypair in self.by_index.values()
            ),
            default=inf,
        )

    def sweep(self, *, now: float) -> bool:
        """Drops frames that have long been incomplete, and keypairs that are too old; to be called every second.

        Returns whether the one that seals has just become so: nothing can be sent before another handshake.
        """
        is_over = False
        for keypair in list(self.by_index.values()):
            keypair.reassembly.sweep()
            if keypair.is_expired(now=now):
                self.remove(keypair)
                keypair.sealing.wear_out()
                is_over |= keypair is self.sending
        return is_over

    def expire(self, *, now: float) -> None:
        """Drops all of them; nothing can be sent before another handshake."""
        for keypair in self.by_index.values():
            keypair.expire()
        self.sweep(now=now)

    def close(self) -> None:
        """Removes all keypairs: the link is over."""
        for keypair in list(self.by_index.values()):
            self.remove(keypair)

    def remove(self, keypair: LinkKeypair) -> None:
        """Forgets a keypair, and gives back what it holds."""
        del self.by_index[keypair.local_index]
        if keypair.awaited is not None:
            self._counters.frames_unproved += len(keypair.awaited.early)
        keypair.close()

    def _resend_message_3(self, keypair: LinkKeypair, *, now: float) -> None:
        assert keypair.message_3 is not None
        if now > keypair.established + MESSAGE_3_PATIENCE_S:
            keypair.message_3 = None
            return
        keypair.message_3_due = now + MESSAGE_3_AGAIN_S
        data = memoryview(keypair.message_3)
        self._outbox.transmits.append((keypair.endpoint, [data], len(data), False, 0))
