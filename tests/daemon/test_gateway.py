"""The router of the default route, as the kernel tells it."""

from ipaddress import IPv4Address

import pytest

from mycelium.daemon.gateway import Gateway, find_gateway
from mycelium.transport.underlay import Route, Underlay


@pytest.mark.parametrize(
    ("route", "found"),
    [
        (("10.0.1.1", "10.0.1.2"), Gateway("10.0.1.1", "10.0.1.2")),
        (("", "10.0.1.2"), None),  # a tunnel
        (("", ""), None),  # no route
    ],
)
def test_only_a_route_by_a_router_has_one(
    route: tuple[str, str], found: Gateway | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, source = (IPv4Address(text).packed if text else b"" for text in route)
    asked: list[bytes] = []

    def route_to(address: bytes) -> Route:
        asked.append(address)
        return Route(gateway=gateway, source=source)

    underlay = Underlay()
    monkeypatch.setattr(underlay, "route_to", route_to)
    assert find_gateway(underlay) == found
    assert asked == [IPv4Address("192.0.2.1").packed]


def test_private_addresses_are_behind_a_nat() -> None:
    assert all(Gateway("x", source).is_behind_nat for source in ("10.0.1.2", "192.168.1.2", "100.64.1.2"))
    assert not Gateway("11.0.1.1", "11.0.1.2").is_behind_nat
