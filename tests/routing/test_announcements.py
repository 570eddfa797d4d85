"""Which announcements are valid, and the rate at which they are verified."""

import pytest
from msgspec.structs import replace

from mycelium.errors import IdentityError
from mycelium.limits import RENEWALS_AT_ONCE, VERIFICATIONS_AT_ONCE, VERIFICATIONS_OF_ALL, VERIFICATIONS_PER_SECOND
from mycelium.routing.announcements import BUDGET_REFILL_S
from mycelium.routing.excess import FORGERY, NAMED, RENEWALS
from mycelium.wire.control import ANY_NODE, RouteRequest, Update
from mycelium.wire.distance import distance
from tests.routing.engines import address, announcement
from tests.routing.lab import RoutingLab, seq, update

FAR = 9


def test_a_changed_copy_of_a_known_announcement_is_verified_again() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, Update(address(FAR), distance(seq(), 20), replace(announcement(FAR, seq()), name=b"x")))
    assert (lab.next_hop(FAR), lab.count("announcements_forged")) == (1, 1)


def test_an_announcement_is_verified_once_however_many_bring_it() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    for name in (1, 2, 3):
        lab.says(name, update(FAR, 50))
    assert lab.count("announcements_verified") == 1


def test_a_neighbour_can_make_us_verify_at_a_bounded_rate_and_is_asked_again() -> None:
    lab = RoutingLab()
    lab.up(1)
    forged = replace(announcement(FAR, seq()), signature=bytes(64))
    for _ in range(3 * VERIFICATIONS_PER_SECOND):
        lab.says(1, Update(address(FAR), distance(seq(), 50), forged))
    assert lab.count("announcements_forged") <= 2 * VERIFICATIONS_PER_SECOND
    assert lab.count("announcements_over_budget") >= VERIFICATIONS_PER_SECOND
    assert lab.questions(lab.wait(BUDGET_REFILL_S + 0.1)) == [(1, RouteRequest(ANY_NODE))]


def test_who_announces_the_same_nodes_again_and_again_is_named() -> None:
    lab = RoutingLab()
    lab.up(1)
    for sequence in range(RENEWALS_AT_ONCE + 1):
        lab.says(1, Update(address(FAR), distance(seq(sequence), 50), announcement(FAR, seq(sequence))))
    assert lab.engine.excesses.take() == []
    lab.says(1, Update(address(FAR), distance(seq(sequence), 50), announcement(FAR, seq(sequence))))
    assert lab.engine.excesses.take() == [(address(1), RENEWALS)]


def test_who_is_back_again_and_again_may_tell_of_all_nodes_each_time() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    names = range(10, 10 + RENEWALS_AT_ONCE // 2)
    lab.says(2, *(update(name, 5) for name in names))
    for _ in range(4):
        lab.says(1, *(update(name, 5) for name in names))
        lab.down(1)
        lab.up(1)
    assert lab.engine.excesses.take() == []


def test_a_new_neighbour_may_bring_a_whole_mesh_at_once() -> None:
    lab = RoutingLab()
    lab.up(1)
    for sequence in range(VERIFICATIONS_AT_ONCE):
        lab.says(1, Update(address(FAR), distance(seq(sequence), 50), announcement(FAR, seq(sequence))))
    assert lab.count("announcements_verified") == VERIFICATIONS_AT_ONCE
    assert lab.count("announcements_over_budget") == 0


def test_all_neighbours_together_can_make_us_verify_at_a_bounded_rate_and_others_are_still_heard() -> None:
    lab = RoutingLab()
    liars = range(1, 21)
    lab.up(*liars, 30)
    forged = replace(announcement(FAR, seq()), signature=bytes(64))
    for _ in range(int(VERIFICATIONS_OF_ALL.at_once) // 10):
        for liar in liars:
            lab.says(liar, Update(address(FAR), distance(seq(), 50), forged))
    assert lab.count("announcements_forged") <= VERIFICATIONS_OF_ALL.at_once
    lab.says(30, update(FAR, 50))
    assert lab.next_hop(FAR) == 30
    named = lab.engine.excesses.take()
    assert [node for node, _ in named] == [address(liar) for liar in liars[:NAMED]]
    assert named[0] == (address(liars[0]), FORGERY)


def test_a_neighbours_budget_is_its_own() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    forged = replace(announcement(FAR, seq()), signature=bytes(64))
    for _ in range(3 * VERIFICATIONS_PER_SECOND):
        lab.says(1, Update(address(FAR), distance(seq(), 50), forged))
    lab.says(2, update(FAR, 50))
    assert lab.next_hop(FAR) == 2


def test_a_key_that_no_node_can_have_signs_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def address_of(key: bytes) -> bytes:
        raise IdentityError("not a point of the curve")

    lab = RoutingLab()
    lab.up(1)
    monkeypatch.setattr(lab.engine._acquisition._checker, "_address_of", address_of)
    lab.says(1, update(FAR, 50))
    assert (lab.next_hop(FAR), lab.count("announcements_wrong_node")) == (None, 1)
