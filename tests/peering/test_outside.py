"""Where neighbours see a node: what most of them agree upon, whatever a few of them say."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import OBSERVATIONS, SIGNAL_CANDIDATES
from mycelium.peering.outside import Mapping, Outside, View, address_to_tell
from mycelium.wire.underlay_address import UnderlayAddress

SOCKET = 9651
SEEN = UnderlayAddress("198.51.100.7", 40_001)


def neighbour(number: int) -> bytes:
    return number.to_bytes(16, "big")


def seen_at(*addresses: UnderlayAddress) -> Outside:
    """Returns what comes of the words of as many neighbours."""
    outside = Outside()
    for number, address in enumerate(addresses):
        outside.observed(neighbour(number), SOCKET, address)
    return outside


def test_one_neighbour_tells_the_address_but_not_the_kind_of_nat() -> None:
    assert seen_at().view == View((), Mapping.UNKNOWN)
    assert seen_at(SEEN).view == View((SEEN,), Mapping.UNKNOWN)


def test_neighbours_that_see_one_port_show_a_mapping_that_others_can_use() -> None:
    assert seen_at(SEEN, SEEN).view == View((SEEN,), Mapping.ENDPOINT_INDEPENDENT)


def test_neighbours_that_see_different_ports_show_a_mapping_for_each() -> None:
    view = seen_at(*(SEEN._replace(port=port) for port in (5, 6, 7))).view
    assert view.mapping is Mapping.ENDPOINT_DEPENDENT
    assert {one.host for one in view.addresses} == {SEEN.host}
    assert len(view.addresses) == 2


@pytest.mark.parametrize("lie", [UnderlayAddress("203.0.113.66", 53), SEEN._replace(port=1)], ids=["host", "port"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_liar_among_three_changes_nothing(lie: UnderlayAddress, place: int) -> None:
    words = [SEEN, SEEN]
    words.insert(place, lie)
    assert seen_at(*words).view == View((SEEN,), Mapping.ENDPOINT_INDEPENDENT)


def test_half_of_the_neighbours_agree_upon_nothing() -> None:
    assert seen_at(SEEN, SEEN, SEEN._replace(port=5), SEEN._replace(port=6)).view.mapping is Mapping.ENDPOINT_DEPENDENT


def test_mapped_ports_are_named_first_then_what_neighbours_see_then_the_hosts_own_addresses() -> None:
    outside = seen_at(SEEN, SEEN)
    mapped, own = UnderlayAddress("203.0.113.5", 1024), UnderlayAddress("192.168.1.5", 9651)
    outside.set_own([own, SEEN])
    outside.set_mapped([mapped])
    assert outside.candidates() == tuple(Endpoint("udp", *address) for address in (mapped, SEEN, own))
    outside.set_own([own._replace(port=port) for port in range(1, 50)])
    assert len(outside.candidates()) == SIGNAL_CANDIDATES


def test_mappings_have_the_codes_of_signals_and_an_unknown_code_says_nothing() -> None:
    assert [
        mapping.code for mapping in (Mapping.UNKNOWN, Mapping.ENDPOINT_INDEPENDENT, Mapping.ENDPOINT_DEPENDENT)
    ] == [0, 1, 2]
    assert [Mapping.of_code(code) for code in (*range(3), 3, 255)] == [*Mapping, Mapping.UNKNOWN, Mapping.UNKNOWN]


def test_one_liar_beside_one_honest_neighbour_does_not_hide_the_true_address() -> None:
    lie = UnderlayAddress("203.0.113.66", 53)
    assert set(seen_at(lie, SEEN).view.addresses) == {lie, SEEN}


def test_neighbours_on_the_lan_do_not_outvote_one_outside() -> None:
    outside, lan = UnderlayAddress("8.8.4.4", 40_001), UnderlayAddress("192.168.1.5", 9651)
    assert seen_at(lan, lan, lan, outside).view == View((outside,), Mapping.UNKNOWN)
    assert seen_at(lan, lan).view == View((lan,), Mapping.ENDPOINT_INDEPENDENT)


def test_the_newest_word_of_a_neighbour_counts_and_none_once_its_link_is_gone() -> None:
    outside = seen_at(SEEN)
    moved = SEEN._replace(port=40_002)
    outside.observed(neighbour(0), SOCKET, moved)
    assert outside.view.addresses == (moved,)
    outside.forget(neighbour(0))
    assert outside.view == View()


def test_each_socket_and_each_version_of_ip_is_judged_by_itself() -> None:
    six = UnderlayAddress("2001:db8::7", 9651)
    outside = seen_at(SEEN, SEEN)
    outside.observed(neighbour(0), SOCKET, SEEN)
    outside.observed(neighbour(1), SOCKET + 1, SEEN._replace(port=50_000))
    outside.observed(neighbour(2), SOCKET, six)
    view = outside.view
    assert view.addresses == (SEEN, SEEN._replace(port=50_000), six)
    assert view.mapping is Mapping.ENDPOINT_INDEPENDENT


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::1", "255.255.255.255", "ff02::1", "400::1", "fe80::1"])
def test_addresses_that_no_node_can_have_are_refused_and_counted(host: str) -> None:
    outside = seen_at(UnderlayAddress(host, 9651), SEEN._replace(port=0))
    assert outside.view == View()
    assert outside.counters.observations_refused == 2


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        (Endpoint("udp", SEEN.host, SEEN.port, local=b"\n\0\0\1", local_port=SOCKET), SEEN),
        (Endpoint("quic", "2001:db8::7", 9651), UnderlayAddress("2001:db8::7", 9651)),
        (Endpoint("tcp", SEEN.host, SEEN.port, connection=3), None),
        (Endpoint("udp", "fe80::7", 9651, scope=2), None),
        (Endpoint("udp", "a", 9651), None),
    ],
)
def test_a_neighbour_is_told_only_what_is_of_use_to_others(endpoint: Endpoint, told: UnderlayAddress | None) -> None:
    assert address_to_tell(endpoint) == told


def test_a_change_is_told_once() -> None:
    outside = seen_at(SEEN)
    assert outside.take_change() == View((SEEN,), Mapping.UNKNOWN)
    assert outside.take_change() is None
    outside.observed(neighbour(0), SOCKET, SEEN)
    assert outside.take_change() is None
    outside.observed(neighbour(1), SOCKET, SEEN)
    assert outside.take_change() == View((SEEN,), Mapping.ENDPOINT_INDEPENDENT)
    outside.observed(neighbour(2), SOCKET, UnderlayAddress("2001:db8::7", SEEN.port))
    assert len(outside.view.addresses) == 2
    assert outside.take_change() is None, "the likeliest address is the same"


def test_observations_are_bounded_and_the_oldest_gives_way() -> None:
    outside = seen_at(*(SEEN._replace(port=1 + number) for number in range(OBSERVATIONS + 5)))
    assert len(outside._observations) == OBSERVATIONS
    assert (neighbour(4), SOCKET) not in outside._observations
    outside.observed(neighbour(5), SOCKET, SEEN)
    outside.observed(neighbour(OBSERVATIONS + 5), SOCKET, SEEN)
    assert (neighbour(5), SOCKET) in outside._observations
    assert (neighbour(6), SOCKET) not in outside._observations
