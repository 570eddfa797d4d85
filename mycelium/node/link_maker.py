"""Makes links of completed handshakes: what all links of a node share is here."""

from collections.abc import Callable
from functools import partial

from mycelium.link.budgets import LinkBudgets
from mycelium.link.counters import LinkCounters
from mycelium.link.events import LinkEvent
from mycelium.link.handshakes import Completed
from mycelium.link.link import Link
from mycelium.node.peering import Peering
from mycelium.outbox import Outbox
from mycelium.routing.excess import Excesses
from mycelium.timing import Deadlines


class LinkMaker:
    """Makes the links of one node. They share budgets, counters, deadlines by name, and the queue of their events."""

    def __init__(
        self,
        peering: Peering,
        excesses: Excesses,
        *,
        outbox: Outbox,
        deadlines: Deadlines[bytes | str],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.events: list[LinkEvent] = []  # of all links, to be handled
        self.counters = LinkCounters()
        self._prover = peering.prover
        self._wanted_proof = peering.proof_wanted
        self._outbox = outbox
        self._deadlines = deadlines
        self._entropy = entropy
        self.budgets = LinkBudgets(outbox, excesses, self.counters)
        self._stream = int.from_bytes(entropy(4), "big") >> 1

    def make(self, completed: Completed, name: bytes, *, now: float) -> Link:
        """Returns a link with the far end of a handshake, under a name."""
        return Link(
            completed,
            name=name,
            outbox=self._outbox,
            events=self.events,
            budgets=self.budgets,
            prover=self._prover,
            wanted_proof=self._wanted_proof(completed.keys.peer_exchange_key),
            counters=self.counters,
            new_stream=self._new_stream,
            entropy=self._entropy,
            arm=self.arm(name),
            now=now,
        )

    def arm(self, name: bytes) -> Callable[[float], None]:
        """Returns what a link of a name passes its deadlines to."""
        return partial(self._deadlines.set, name)

    def _new_stream(self) -> int:
        """Returns a number that no control stream of this node had, nor probably one before its last restart."""
        self._stream += 1
        return self._stream
