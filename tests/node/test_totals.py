"""So many have totals of their own, and none of these ever falls."""

from mycelium.limits import COUNTED_PEERS
from mycelium.node.totals import Totals


def counted(totals: Totals[str]) -> dict[str | None, int]:
    return {subject: counts[("seen",)] for subject, counts in totals if counts}


def test_each_has_its_own_until_there_are_too_many_and_the_rest_shares_one() -> None:
    totals: Totals[str] = Totals()
    names = [f"peer {number}" for number in range(COUNTED_PEERS + 2)]
    for name in names * 2:
        totals.of(name)[("seen",)] += 1
    own: dict[str | None, int] = dict.fromkeys(names[:COUNTED_PEERS], 2)
    assert counted(totals) == own | {None: 4}
    assert names[0] in totals
    assert names[-1] not in totals


def test_who_is_gone_is_counted_with_the_rest_and_makes_room() -> None:
    totals: Totals[str] = Totals()
    for name in ("stays", "goes"):
        totals.of(name)[("seen",)] += 3
    totals.retain(["stays", "not counted"])
    totals.of("goes")[("seen",)] += 1
    assert counted(totals) == {"stays": 3, "goes": 1, None: 3}
