"""One lookup under way: which landmarks were asked, which ones come next, and what they have answered."""

from math import inf
from typing import Final

from mycelium.routing.metric import COST_UNIT_S
from mycelium.session.queue import PacketQueue
from mycelium.wire.home_record import HomeRecord

ASKED_AT_ONCE: Final = 8  # landmarks, once none of those that records are handed to has answered
WAIT_FACTOR: Final = 3.0  # of a landmark's metric, which is half a round trip: so long an answer is waited for,
LEAST_WAIT_S: Final = 0.1  # but no less than this
# How often those that were silent are asked again, and how many times as long their answers are waited for each time: a busy
# landmark's silence says nothing of the address.
ROUNDS_AGAIN: Final = 2
AGAIN_FACTOR: Final = 3.0


class Query:
    """One lookup. `metrics` has the landmarks that can be asked, of which `replicas` are asked first."""

    __slots__ = (
        "_again",
        "_found_by_home",
        "_is_thorough",
        "_left",
        "_metrics",
        "_one_by_one",
        "best",
        "next_at",
        "nonce",
        "queue",
        "subnet",
        "unanswered",
    )

    def __init__(
        self,
        subnet: bytes,
        nonce: bytes,
        queue: PacketQueue,
        metrics: dict[bytes, int],
        replicas: list[bytes],
        is_thorough: bool,
    ) -> None:
        self.subnet = subnet
        self.nonce = nonce
        self.queue = queue  # packets that wait for it
        self._metrics = metrics
        self._is_thorough = is_thorough  # whether only a home's word, or that of all, is enough
        others = [node for node in metrics if node not in replicas]
        self._left = [*sorted(replicas, key=self._order), *sorted(others, key=self._order)]
        self._one_by_one = len(replicas)  # how many of the next ones are asked one after the other
        self._again = 0  # rounds in which those that were silent are asked again
        self._found_by_home = False  # the best record
        self.unanswered: set[bytes] = set()
        self.best: dict[bytes, HomeRecord] = {}  # by node
        self.next_at = inf

    @property
    def is_answered(self) -> bool:
        """Whether no further landmark need be asked; an old home, which may lie, does not speak for all replicas."""
        return bool(self.best) and (not self._is_thorough or (self._found_by_home and not self._one_by_one))

    def take(self, node: bytes, record: HomeRecord, landmark: bytes) -> None:
        """Takes a valid record from a landmark."""
        known = self.best.get(node)
        if record.is_newer_than(known):
            self.best[node] = record
            self._found_by_home = landmark in record.homes
        elif known is not None and not known.is_newer_than(record):
            self._found_by_home |= landmark in record.homes

    def next_batch(self) -> list[bytes]:
        """Returns the landmarks that are to be asked now; none if all have answered, or were asked often enough."""
        if not self._left and not self.best and self._again < ROUNDS_AGAIN:
            self._left = sorted(self.unanswered, key=self._order)
            self._again += 1
        size = 1 if self._one_by_one else ASKED_AT_ONCE
        if self._is_thorough and self.best and not self._one_by_one:
            size = self._homes_first() or size
        batch, self._left = self._left[:size], self._left[size:]
        return batch

    def _homes_first(self) -> int:
        """Has the homes come next that the best records name; returns how many of them have not been asked."""
        named = {home for record in self.best.values() for home in record.homes}
        homes = [one for one in self._left if one in named]
        self._left = [*homes, *(one for one in self._left if one not in named)]
        return len(homes)

    def put_back(self, batch: list[bytes]) -> None:
        """Has landmarks asked later, which there is no budget for now."""
        self._left[:0] = batch

    def asked(self, batch: list[bytes], *, now: float) -> None:
        """Notes that landmarks were asked."""
        self._one_by_one = max(self._one_by_one - 1, 0)
        self.unanswered.update(batch)
        self.next_at = now + self.wait_s(batch)

    def wait_s(self, batch: list[bytes]) -> float:
        """Returns how long answers of these landmarks are waited for."""
        least_s = max(LEAST_WAIT_S, WAIT_FACTOR * COST_UNIT_S * max(self._metrics[node] for node in batch))
        return least_s * AGAIN_FACTOR**self._again

    def _order(self, landmark: bytes) -> tuple[int, bytes]:
        return self._metrics[landmark], landmark
