"""Addresses that no link can run to or from, each with its reason, and their nearest relatives that are fine."""

import pytest

from mycelium.peer_address import is_of_another_host, objection


@pytest.mark.parametrize(
    ("host", "zone", "reason"),
    [
        ("0.0.0.0", "", "means every address of a host"),
        ("::", "", "means every address of a host"),
        ("224.0.0.1", "", "is a multicast address"),
        ("239.255.255.255", "", "is a multicast address"),
        ("ff02::1", "", "is a multicast address"),
        ("ff02::1", "eth0", "is a multicast address"),
        ("255.255.255.255", "", "is the broadcast address"),
        ("::ffff:0.0.0.0", "", "0.0.0.0 means every address of a host"),
        ("::ffff:239.1.2.3", "", "239.1.2.3 is a multicast address"),
        ("::ffff:255.255.255.255", "", "255.255.255.255 is the broadcast address"),
        ("::ffff:192.0.2.1", "eth0", "only a link-local address"),
        ("400::", "", "lies in the overlay (400::/7)"),
        ("5ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", "lies in the overlay"),
        ("43f:1044::1", "eth0", "lies in the overlay"),
        ("fe80::1", "", "needs its interface, as in [fe80::1%eth0]"),
        ("2001:db8::1", "eth0", "only a link-local address"),
        ("::1", "lo", "only a link-local address"),
    ],
)
def test_an_address_that_no_peer_can_have_is_refused_with_the_reason(host: str, zone: str, reason: str) -> None:
    text = objection(host, zone=zone)
    assert text is not None
    assert reason in text


@pytest.mark.parametrize(
    ("host", "zone"),
    [
        ("127.0.0.1", ""),
        ("169.254.1.1", ""),
        ("223.255.255.255", ""),
        ("255.255.255.254", ""),
        ("::1", ""),
        ("3ff:ffff::1", ""),
        ("600::1", ""),
        ("fe80::1", "eth0"),
        ("fd00::1", ""),
    ],
)
def test_any_other_is_a_peer_s(host: str, zone: str) -> None:
    assert objection(host, zone=zone) is None


@pytest.mark.parametrize(
    ("host", "is_fit"),
    [
        ("192.0.2.1", True),
        ("169.254.1.1", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("ff02::1", False),
        ("fe80::1", False),
        ("400::1", False),
    ],
)
def test_another_host_is_reached_at_what_is_neither_refused_nor_loopback(host: str, is_fit: bool) -> None:
    assert is_of_another_host(host) == is_fit
