"""Addresses that one person may hold lie in one network."""

import pytest

from mycelium.subnets import network_text, subnets_of


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.1", 2),
        ("192.0.2.1", "192.0.2.2", 1),
        ("192.0.2.1", "192.0.3.1", 0),
        ("2001:db8::1", "2001:db8::2", 3),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", 2),
        ("2001:db8:0:100::1", "2001:db8:0:200::1", 1),
        ("2001:db8:1::1", "2001:db8:2::1", 0),
        (bytes((192, 0, 2, 1)), "192.0.2.1", 2),
        ("some pipe", "some pipe", 1),
        ("some pipe", "another", 0),
    ],
)
def test_networks_are_shared_from_the_widest(one: str | bytes, other: str | bytes, shared: int) -> None:
    assert len(set(subnets_of(one)) & set(subnets_of(other))) == shared
    assert len(subnets_of(one)) <= 3


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
def test_whoever_comes_by_a_proxy_on_this_host_is_not_counted(address: str) -> None:
    assert subnets_of(address) == ()


@pytest.mark.parametrize(
    ("address", "texts"),
    [
        ("192.0.2.7", ["192.0.2.7/32", "192.0.2.0/24"]),
        ("2001:db8:1:2::3", ["2001:db8:1:2::/64", "2001:db8:1::/56", "2001:db8:1::/48"]),
        ("a.name", ["a.name"]),
    ],
)
def test_networks_are_shown_as_people_write_them(address: str, texts: list[str]) -> None:
    assert [network_text(subnet) for subnet in subnets_of(address)] == texts
