"""What the links of one node share, so that one link can't take what all need."""

from mycelium.limits import CONTROL_BYTES_AT_ONCE, CONTROL_BYTES_PER_SECOND, LINKS
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.repair import RepairBudgets
from mycelium.timing import TokenBucket, TokenBuckets


class LinkBudgets:
    """Memory for all links together, and for each neighbour a rate of control messages, which new links do not refill."""

    def __init__(self) -> None:
        self.partial = PartialBudget()
        self.repair = RepairBudgets()
        self._control = TokenBuckets[bytes](CONTROL_BYTES_PER_SECOND, burst=CONTROL_BYTES_AT_ONCE, keys=2 * LINKS)

    def control_of(self, neighbour: bytes, *, now: float) -> TokenBucket:
        """Returns what counts the bytes of control messages of a neighbour, given its overlay address."""
        return self._control.of(neighbour, now=now)
