"""Totals by neighbour or peer: so many have their own, which the rest shares one with."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final, Generic, TypeVar

from mycelium.limits import COUNTED_PEERS

Subject = TypeVar("Subject", bound=bytes | str)
Key = tuple[str, ...]


class Totals(Generic[Subject]):
    """Counts of many subjects. None of them ever falls as long as its subject is retained; those of all others never fall."""

    __slots__ = ("_by_subject", "others")

    def __init__(self) -> None:
        self._by_subject: dict[Subject, Counter[Key]] = {}
        self.others: Final[Counter[Key]] = Counter()

    def __iter__(self) -> Iterator[tuple[Subject | None, Counter[Key]]]:
        """Yields the subjects that have counts of their own, and None for all others."""
        yield from self._by_subject.items()
        yield None, self.others

    def __contains__(self, subject: Subject) -> bool:
        """Tells whether a subject has counts of its own."""
        return subject in self._by_subject

    def of(self, subject: Subject) -> Counter[Key]:
        """Returns the counts to which those of a subject are added."""
        found = self._by_subject.get(subject)
        if found is None and len(self._by_subject) < COUNTED_PEERS:
            found = self._by_subject[subject] = Counter()
        return self.others if found is None else found

    def retain(self, subjects: Collection[Subject]) -> None:
        """Adds the counts of all other subjects to those of the rest, which makes room for new ones."""
        for gone in [subject for subject in self._by_subject if subject not in subjects]:
            self.others.update(self._by_subject.pop(gone))
