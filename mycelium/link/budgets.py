"""What the links of one node share, so that one link can't take what all need."""

from mycelium.limits import (
    CHATTER_AT_ONCE,
    CHATTER_PER_SECOND,
    CONTROL_BYTES_AT_ONCE,
    CONTROL_BYTES_OF_ALL,
    CONTROL_BYTES_PER_SECOND,
    KEY_PROOFS_OF_ALL,
    NEIGHBOURS,
    PLAIN_FRAMES_AT_ONCE,
    PLAIN_FRAMES_OF_ALL,
    PLAIN_FRAMES_PER_SECOND,
    QUESTIONS_AT_ONCE,
    QUESTIONS_PER_SECOND,
    REPAIRS_AT_ONCE,
    REPAIRS_PER_SECOND,
    UNPROVED_BYTES_OF_ALL,
)
from mycelium.link.counters import LinkCounters
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.repair import RepairBudgets
from mycelium.link.slowed import Slowed
from mycelium.outbox import Outbox
from mycelium.routing.excess import CHATTER, CONTROL, FRAMES, QUESTIONS, REPAIRS, Excesses
from mycelium.timing import SharedBucket, TokenBucket, TokenBuckets
from mycelium.wire.control import Item, Update
from mycelium.wire.frame import REPAIR


class LinkBudgets:
    """Memory for all links together, and for each neighbour rates that new links do not refill; what is above is told."""

    def __init__(self, outbox: Outbox, excesses: Excesses, counters: LinkCounters) -> None:
        self.partial = PartialBudget()
        self.repair = RepairBudgets()
        self.slowed = Slowed(outbox)
        self.excesses = excesses
        self.counters = counters
        self.control_of_all = SharedBucket[bytes](CONTROL_BYTES_OF_ALL, keys=2 * NEIGHBOURS, now=0.0)
        self.frames_of_all = SharedBucket[bytes](PLAIN_FRAMES_OF_ALL, keys=2 * NEIGHBOURS, now=0.0)
        self.proofs_of_all = SharedBucket[bytes](KEY_PROOFS_OF_ALL, keys=2 * NEIGHBOURS, now=0.0)
        self.early_bytes = SharedBucket[bytes](UNPROVED_BYTES_OF_ALL, keys=2 * NEIGHBOURS, now=0.0)
        self._control = TokenBuckets[bytes](CONTROL_BYTES_PER_SECOND, burst=CONTROL_BYTES_AT_ONCE, keys=2 * NEIGHBOURS)
        self._questions = TokenBuckets[bytes](QUESTIONS_PER_SECOND, burst=QUESTIONS_AT_ONCE, keys=2 * NEIGHBOURS)
        self._repairs = TokenBuckets[bytes](REPAIRS_PER_SECOND, burst=REPAIRS_AT_ONCE, keys=2 * NEIGHBOURS)
        self._chatter = TokenBuckets[bytes](CHATTER_PER_SECOND, burst=CHATTER_AT_ONCE, keys=2 * NEIGHBOURS)
        self._frames = TokenBuckets[bytes](PLAIN_FRAMES_PER_SECOND, burst=PLAIN_FRAMES_AT_ONCE, keys=2 * NEIGHBOURS)

    def intake_of(self, neighbour: bytes, *, now: float) -> "Intake":
        """Returns what a neighbour may send, given its overlay address."""
        return Intake(
            neighbour,
            control=self._control.of(neighbour, now=now),
            frames=self._frames.of(neighbour, now=now),
            chatter=self._chatter.of(neighbour, now=now),
            repairs=self._repairs.of(neighbour, now=now),
            questions=self._questions.of(neighbour, now=now),
            budgets=self,
        )


class Intake:
    """What one neighbour may send besides data."""

    __slots__ = ("_budgets", "_chatter", "_control", "_frames", "_neighbour", "_questions", "_repairs")

    def __init__(
        self,
        neighbour: bytes,
        *,
        control: TokenBucket,
        frames: TokenBucket,
        chatter: TokenBucket,
        repairs: TokenBucket,
        questions: TokenBucket,
        budgets: LinkBudgets,
    ) -> None:
        self._neighbour = neighbour
        self._control = control
        self._frames = frames
        self._chatter = chatter
        self._repairs = repairs
        self._questions = questions
        self._budgets = budgets

    def takes_frame(self, kind: int, *, now: float) -> bool:
        """Tells whether another frame without data is taken; requests for repair come as often as datagrams are lost.

        Who sends few is not slowed where others have used up what there is for all.
        """
        of_all = self._budgets.frames_of_all
        if kind == REPAIR:
            is_taken = is_modest = self._repairs.take(now=now)
        else:
            is_modest = self._frames.take(now=now)
            is_taken = is_modest and of_all.take(self._neighbour, now=now)
            if is_taken and not self._chatter.take(now=now):
                self._budgets.excesses.note(self._neighbour, CHATTER, now=now)
        if is_taken:
            return True
        self._budgets.counters.frames_over_budget += 1
        if not (is_modest and of_all.takes_little(self._neighbour, now=now)):
            self._budgets.slowed.add(self._neighbour, now=now)
            self._budgets.excesses.note(self._neighbour, FRAMES, now=now)
        return False

    def asked_too_often(self, *, now: float) -> None:
        """Notes that requests for repair ask for more than was sent, and has the neighbour read less."""
        self._budgets.slowed.add(self._neighbour, now=now)
        self._budgets.excesses.note(self._neighbour, REPAIRS, now=now)

    def takes_control(self, size: int, *, now: float) -> bool:
        """Tells whether a segment of the control stream is taken, of so many bytes."""
        is_taken = self._control.take(size, now=now) and self._budgets.control_of_all.take(
            self._neighbour, size, now=now
        )
        if not is_taken:
            self._budgets.counters.control_over_budget += 1
            self._budgets.excesses.note(self._neighbour, CONTROL, now=now)
        return is_taken

    def taken_of(self, items: list[Item], *, now: float) -> list[Item]:
        """Returns the control messages that are taken: all of them, or only the updates, for which routing has budgets."""
        updates: list[Item] = [item for item in items if type(item) is Update]
        asked = len(items) - len(updates)
        if not asked or self._questions.take(asked, now=now):
            return items
        self._budgets.counters.questions_over_budget += asked
        self._budgets.excesses.note(self._neighbour, QUESTIONS, now=now)
        return updates
