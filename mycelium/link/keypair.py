"""The keypair of a link, with the receiving state that belongs to it."""

from typing import Final

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.channel.byte_budget import ByteBudget
from mycelium.channel.keypair import Keypair
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.replay import AscendingOnly
from mycelium.link.chunk_tags import ChunkTags
from mycelium.link.counters import LinkCounters
from mycelium.link.handshakes import Completed
from mycelium.link.reassembly import PartialBudget, Reassembly
from mycelium.link.repair.gaps import Gaps
from mycelium.wire.datagram import FIRST_SIZE_PROBE

MESSAGE_3_AGAIN_S: Final = 0.25
MESSAGE_3_PATIENCE_S: Final = 5.0


class LinkKeypair(Keypair):
    """One keypair of a link. An initiator keeps `message_3` until it has opened a frame of the neighbour."""

    __slots__ = (
        "endpoint",
        "gaps",
        "marked",
        "message_3",
        "message_3_due",
        "reassembly",
        "sent_tags",
        "size_probe_opening",
        "size_probe_sealing",
    )

    def __init__(
        self, completed: Completed, budget: PartialBudget, held: ByteBudget, counters: LinkCounters, *, now: float
    ) -> None:
        super().__init__(completed.keys, now=now)
        self.endpoint = completed.endpoint  # of the handshake
        self.sent_tags = ChunkTags(self.sealing.cipher)
        tag_of = ChunkTags(self.opening.cipher).of
        self.reassembly = Reassembly(self.local_index, self.opening.window.check, tag_of, budget, counters)
        self.gaps = Gaps(held, counters)
        self.marked: set[int] = set()  # counters of frames of which a datagram arrived with Congestion Experienced
        self.size_probe_sealing = SealingKey(self.sealing.cipher, first=FIRST_SIZE_PROBE)
        self.size_probe_opening = OpeningKey(self.opening.cipher, AscendingOnly())
        self.message_3 = completed.message_3
        self.message_3_due = now + MESSAGE_3_AGAIN_S

    def opened_unproved(self, counter: int, *, now: float) -> AwaitedProof:
        """Notes a frame that was opened while the neighbour owes a proof, and returns what has come of that."""
        assert self.awaited is not None
        self.last_opened = now
        self.message_3 = None  # which has arrived
        self.gaps.opened(counter, srtt=None, now=now)
        self.reassembly.forget(counter)
        return self.awaited

    def close(self) -> None:
        """Gives back what is held of frames that are incomplete or wait for others."""
        self.gaps.give_up_all([])
        self.reassembly.close()
