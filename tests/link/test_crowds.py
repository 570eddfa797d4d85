"""Crowds whose handshakes are not answered: told of by their network, forged addresses later and in other words."""

from mycelium.limits import SUBNETS
from mycelium.link.crowds import CROWD_S, PROVEN, UNPROVEN, Crowd, Crowds
from mycelium.subnets import subnets_of

SITE = subnets_of("2001:db8:7::")[-1]


def come(crowds: Crowds, count: int, *, is_proven: bool, now: float = 0.0) -> None:
    for number in range(count):
        crowds.note(f"2001:db8:7:{number:x}::1", is_proven=is_proven, now=now)


def test_a_crowd_is_found_once_by_its_site() -> None:
    crowds = Crowds()
    come(crowds, PROVEN - 1, is_proven=True)
    assert crowds.found == []
    come(crowds, 3 * PROVEN, is_proven=True)
    assert crowds.found == [Crowd(SITE, PROVEN, True)]
    assert str(crowds.found[0]).startswith(f"{PROVEN} handshakes and more from 2001:db8:7::/48 are not answered")


def test_addresses_that_may_be_forged_take_more_and_are_called_so() -> None:
    crowds = Crowds()
    come(crowds, UNPROVEN - 1, is_proven=False)
    assert crowds.found == []
    come(crowds, 1, is_proven=False)
    assert "from addresses, perhaps forged, in 2001:db8:7::/48" in str(crowds.found[0])


def test_few_in_each_minute_are_no_crowd_and_this_host_is_none() -> None:
    crowds = Crowds()
    for minute in range(5):
        come(crowds, PROVEN - 1, is_proven=True, now=minute * CROWD_S + 1)
    for _ in range(2 * PROVEN):
        crowds.note("::1", is_proven=True, now=1e6)
    assert crowds.found == []


def test_networks_without_number_are_counted_within_the_bound() -> None:
    crowds = Crowds()
    for number in range(2 * SUBNETS):
        crowds.note(f"10.{number >> 8}.{number & 255}.1", is_proven=False, now=0.0)
    assert len(crowds._counts) == SUBNETS
    assert crowds.found == []
