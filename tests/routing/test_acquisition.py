"""Which updates are believed, and what a newer announcement sets going."""

import pytest
from msgspec.structs import replace

from mycelium.limits import REQUESTS_PER_SECOND
from mycelium.routing.duplicate import LEAST_LEAP
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import RouteRequest, Update
from mycelium.wire.distance import INFINITY, distance
from tests.routing.engines import NETWORK_ID, address, announcement, key_of
from tests.routing.lab import RoutingLab, seq, update

FAR = 9


@pytest.mark.parametrize(
    ("signed", "counter"),
    [
        (replace(announcement(FAR, seq()), signature=bytes(64)), "announcements_forged"),
        (replace(announcement(FAR, seq()), name=b"x"), "announcements_forged"),
        (replace(announcement(FAR, seq()), prefixes=((64, bytes(16)),)), "announcements_forged"),
        (announcement(8, seq()), "announcements_wrong_node"),
        (announcement(FAR, seq(), b"another\x00"), "announcements_foreign"),
        (announcement(FAR, seq(1)), "announcements_mismatched"),
        (None, "announcements_missing"),
    ],
)
def test_a_route_without_its_nodes_signature_is_refused_and_counted(signed: Announcement | None, counter: str) -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, Update(address(FAR), distance(seq(), 50), signed))
    assert (lab.next_hop(FAR), lab.resolved(FAR), lab.count(counter)) == (None, None, 1)
    assert lab.updates(lab.flush(), FAR) == {}


def test_a_forged_newer_sequence_takes_the_neighbours_older_route_along() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.says(1, Update(address(FAR), distance(seq(1), 20), replace(announcement(FAR, seq(1)), signature=bytes(64))))
    assert (lab.next_hop(FAR), lab.resolved(FAR)) == (None, announcement(FAR, seq()))


def test_a_known_sequence_needs_no_announcement() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, update(FAR, 40, bare=True))
    assert lab.next_hop(FAR) == 2


def test_a_missing_announcement_is_asked_for() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50, bare=True))
    assert lab.questions(lab.flush()) == [(1, RouteRequest(address(FAR)))]


def test_a_retraction_needs_neither_sequence_nor_signature() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    lab.says(1, Update(address(FAR), distance(0, INFINITY)))
    assert lab.next_hop(FAR) is None


def test_a_retraction_of_an_unknown_node_makes_no_row() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, Update(address(FAR), distance(seq(), INFINITY), announcement(FAR, seq())))
    assert (lab.count("destinations"), lab.count("announcements_verified")) == (1, 0)


def test_the_table_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.routing.table.DESTINATIONS", 3)
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *(update(name, 50) for name in range(5, 9)))
    assert (lab.count("destinations"), lab.count("table_full")) == (3, 2)


def test_the_newest_announcement_is_what_resolves() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 0))
    lab.says(2, update(FAR, 90, 3))
    lab.says(1, update(FAR, 50, 1))
    assert lab.resolved(FAR) == announcement(FAR, seq(3))
    assert lab.resolved(0) == Announcement(
        key_of(0), lab.engine.sequence, NETWORK_ID, signature=announcement(0, lab.engine.sequence).signature
    )


def test_a_neighbour_that_follows_an_older_epoch_is_shown_the_newer_announcement() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, epoch=20))
    lab.flush()
    lab.down(1)
    lab.flush()
    lab.up(3)
    lab.says(3, update(FAR, 5, epoch=19))
    newer = Update(address(FAR), distance(seq(0, 20), INFINITY), announcement(FAR, seq(0, 20)))
    assert newer in lab.flush()[3]


def test_a_newer_epoch_on_a_route_that_is_not_selected_is_shown_to_who_follows_the_older() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, update(FAR, 50, epoch=19))
    lab.flush()
    lab.says(1, update(FAR, 500, epoch=20))
    assert lab.next_hop(FAR) == 2
    assert Update(address(FAR), distance(seq(0, 20), INFINITY), announcement(FAR, seq(0, 20))) in lab.flush()[2]


def test_a_node_that_has_lost_its_memory_is_shown_its_own_newer_sequence() -> None:
    lab = RoutingLab()
    lab.up(FAR)
    lab.says(FAR, update(FAR, 0, 7))
    lab.says(FAR, update(FAR, 0, 2))
    assert lab.flush()[FAR] == [Update(address(FAR), distance(seq(7), INFINITY), announcement(FAR, seq(7)))]


def test_a_lazy_neighbours_older_sequence_is_no_reason_to_speak() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, 7))
    lab.flush()
    lab.says(2, update(FAR, 80, 2))
    assert lab.wait(5.0) == {}


def test_what_we_are_shown_travels_on_to_who_follows_the_older_epoch() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50, epoch=19))
    lab.flush()
    newer = Update(address(FAR), distance(seq(0, 20), INFINITY), announcement(FAR, seq(0, 20)))
    lab.says(2, newer)
    assert newer in lab.flush()[1]
    assert lab.next_hop(FAR) == 1


def with_second_start(lab: RoutingLab) -> bytes:
    """Brings up two neighbours that are FAR, and returns the name of the second one."""
    name = address(FAR) + bytes(16)
    lab.up(FAR)
    lab.says(FAR, update(FAR, 0, epoch=19))
    lab.engine.neighbour_up(name, 10, now=lab.now)
    lab.flush()
    return name


def test_a_later_start_of_a_neighbour_has_its_address_at_once_and_the_earlier_one_is_shown_it() -> None:
    lab = RoutingLab()
    name = with_second_start(lab)
    lab.engine.receive(name, [update(FAR, 0, epoch=20)], now=lab.now)
    assert lab.engine.forwarding.next_hop[address(FAR)] == name
    lab.engine.handle_timeout(now=lab.now + 0.01)
    told = dict(lab.engine.outbox)
    assert [item.announcement for item in told[address(FAR)] if isinstance(item, Update)] == [
        announcement(FAR, seq(0, 20))
    ]
    assert {route.neighbour for route in lab.engine.selected_routes()} == {address(FAR)}, "shown by its node's address"


def test_a_leap_within_an_epoch_is_shown_at_once_to_who_has_an_older_sequence() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(2, update(FAR, 50, 100))
    lab.flush()
    lab.says(1, update(FAR, 500, 100 + LEAST_LEAP - 1))
    assert lab.flush() == {}
    lab.says(1, update(FAR, 500, 100 + 2 * LEAST_LEAP))
    leap = seq(100 + 2 * LEAST_LEAP)
    assert Update(address(FAR), distance(leap, INFINITY), announcement(FAR, leap)) in lab.flush()[2]


def test_a_node_owns_the_prefixes_of_its_newest_announcement(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = RoutingLab()
    monkeypatch.setattr(lab.engine.forwarding, "_allows_prefix", lambda node, length, bits: True)
    lab.up(1)
    for counter, prefix in enumerate((b"\x20\x01" + bytes(14), b"\x20\x02" + bytes(14))):
        signed = announcement(FAR, seq(counter), prefixes=((16, prefix),))
        lab.says(1, Update(address(FAR), distance(seq(counter), 50), signed))
        assert lab.engine.forwarding.owner_of(prefix) == address(FAR)
    assert lab.engine.forwarding.owner_of(b"\x20\x01" + bytes(14)) is None


def test_of_two_announcements_that_a_node_signed_under_one_sequence_the_first_stays() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 50))
    lab.says(2, Update(address(FAR), distance(seq(), 20), announcement(FAR, seq(), prefixes=((16, bytes(16)),))))
    assert (lab.next_hop(FAR), lab.resolved(FAR)) == (2, announcement(FAR, seq()))


def test_a_retraction_with_a_forged_newer_announcement_is_no_more_than_a_retraction() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, update(FAR, 50))
    forged = replace(announcement(FAR, seq(1)), signature=bytes(64))
    lab.says(1, Update(address(FAR), distance(seq(1), INFINITY), forged))
    assert (lab.next_hop(FAR), lab.resolved(FAR)) == (None, announcement(FAR, seq()))


def test_missing_announcements_are_asked_for_at_a_bounded_rate() -> None:
    lab = RoutingLab()
    lab.up(1)
    lab.says(1, *(update(FAR, 50, bare=True) for _ in range(3 * REQUESTS_PER_SECOND)))
    assert len(lab.questions(lab.flush())) == REQUESTS_PER_SECOND
