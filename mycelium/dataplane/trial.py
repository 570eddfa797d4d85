"""The trial of a neighbour: some nodes beyond it, by which it is judged as a whole: whether they answer over it."""

from collections.abc import Iterable
from typing import Final

LEAST_SILENT: Final = 2  # nodes; one alone may be at fault itself


class NeighbourTrial:
    """The nodes, and which of them have answered over the neighbour, as far as that is known."""

    __slots__ = ("_answers", "chosen_at", "is_damning")

    def __init__(self, nodes: Iterable[bytes], *, now: float) -> None:
        self.chosen_at = now
        self.is_damning = False  # the neighbour drops what it should forward
        self._answers: dict[bytes, bool | None] = dict.fromkeys(nodes)

    def __contains__(self, node: bytes) -> bool:
        return node in self._answers

    @property
    def silent(self) -> int:
        """How many of the nodes beyond the neighbour are known not to answer over it."""
        return list(self._answers.values()).count(False)

    @property
    def unknown(self) -> list[bytes]:
        """The nodes of which it is not known yet whether they answer over the neighbour."""
        return [node for node, answers in self._answers.items() if answers is None]

    def note(self, node: bytes, *, answers: bool) -> bool:
        """Notes whether a node answers, and judges; returns whether the neighbour has just been found to drop what it is sent.

        One that answers clears a neighbour; once that is found to drop, most have to.
        """
        if node not in self._answers:
            return False
        self._answers[node] = answers
        was_damning, heard = self.is_damning, list(self._answers.values()).count(True)
        is_complete = None not in self._answers.values()
        self.is_damning = self.silent >= LEAST_SILENT and (
            self.silent > heard if was_damning else not heard and is_complete
        )
        return self.is_damning and not was_damning
