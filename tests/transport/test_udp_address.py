"""Endpoints and socket addresses, and which of several sockets is placed best to send to an endpoint."""

import socket
from ipaddress import ip_address

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.udp_address import from_inet, from_inet6, reach, to_inet, to_inet6

SOCKETS = ("::", "0.0.0.0", "192.0.2.1", "198.51.100.1", "2001:db8:1::1", "fd00::1", "127.0.0.1", "::1")


def best(endpoint: Endpoint, sockets: tuple[str, ...] = SOCKETS) -> str | None:
    ranks = {host: reach(Endpoint("udp", host, 9651), endpoint) for host in sockets}
    host = max(ranks, key=lambda host: ranks[host])
    return host if ranks[host] > 0 else None


@pytest.mark.parametrize(
    ("sockets", "remote", "expected"),
    [
        (("0.0.0.0", "fd00::1"), "fd00::2", "fd00::1"),
        (("fd00::1", "0.0.0.0"), "192.0.2.9", "0.0.0.0"),
        (("192.0.2.1", "::"), "192.0.2.9", "::"),
        (("2001:db8:1::1", "fd00::1"), "fd00::2", "fd00::1"),
        (("fd00::1", "2001:db8:1::1"), "2001:db8:2::2", "2001:db8:1::1"),
        (("192.0.2.1", "198.51.100.1"), "198.51.100.9", "198.51.100.1"),
        (("127.0.0.1", "192.0.2.1"), "192.0.2.9", "192.0.2.1"),
        (("0.0.0.0", "192.0.2.1"), "fd00::2", None),
        (("fd00::1",), "192.0.2.9", None),
        (("127.0.0.1", "::1"), "192.0.2.9", None),
        (("::",), "example.net", None),
    ],
)
def test_a_remote_address_is_reached_by_the_socket_that_fits(
    sockets: tuple[str, ...], remote: str, expected: str | None
) -> None:
    assert best(Endpoint("udp", remote, 1), sockets) == expected
    assert best(Endpoint("udp", remote, 1), sockets[::-1]) == expected


@pytest.mark.parametrize("host", ["192.0.2.1", "198.51.100.1", "2001:db8:1::1", "fd00::1"])
def test_the_socket_of_the_local_address_is_the_first_choice(host: str) -> None:
    remote = "192.0.2.9" if "." in host else "2001:db8:1::9"
    assert best(Endpoint("udp", remote, 1, 0, ip_address(host).packed)) == host


def test_a_local_address_that_no_socket_is_bound_to_is_left_to_one_for_all() -> None:
    gone = Endpoint("udp", "192.0.2.9", 1, 0, ip_address("203.0.113.1").packed)
    assert best(gone, ("192.0.2.1", "0.0.0.0")) == "0.0.0.0"
    assert best(gone, ("192.0.2.1",)) is None


def test_a_link_local_socket_speaks_on_its_own_link_only() -> None:
    bound = Endpoint("udp", "fe80::1", 9651, 3)
    assert reach(bound, Endpoint("udp", "fe80::2", 1, 3)) > 0
    assert reach(bound, Endpoint("udp", "fe80::2", 1, 4)) == 0
    assert reach(bound, Endpoint("udp", "fd00::2", 1)) == 0


def test_an_ipv4_socket_keeps_the_local_address_of_an_endpoint() -> None:
    endpoint = from_inet(("192.0.2.9", 7), socket.inet_aton("0.0.0.2") + bytes((192, 0, 2, 1)) + bytes(4))
    assert endpoint == Endpoint("udp", "192.0.2.9", 7, 0, bytes((192, 0, 2, 1)))
    address, [(_, _, data)] = to_inet(endpoint)
    assert (address, data[4:8]) == (("192.0.2.9", 7), bytes((192, 0, 2, 1)))
    with pytest.raises(ValueError, match="::1"):
        to_inet(Endpoint("udp", "::1", 7))


@pytest.mark.parametrize("endpoint", [Endpoint("udp", "192.0.2.9", 7), Endpoint("udp", "fe80::9", 7, 3)])
def test_a_dual_stack_socket_hides_the_mapping(endpoint: Endpoint) -> None:
    address, control = to_inet6(endpoint)
    assert control == []
    assert from_inet6(address, b"") == endpoint
