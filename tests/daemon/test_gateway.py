"""The router of the default route, as the kernel tells it."""

import struct
from ipaddress import IPv4Address

import pytest

from mycelium.daemon import gateway
from mycelium.daemon.gateway import Gateway, find_gateway
from mycelium.packet.netlink import ROUTE, RTA_DST, RTA_GATEWAY, RTA_MARK, RTA_PREFSRC, attribute, attributes


def route(**found: str) -> bytes:
    kinds = {"gateway": RTA_GATEWAY, "source": RTA_PREFSRC}
    return bytes(ROUTE.size) + b"".join(
        attribute(kinds[name], IPv4Address(text).packed) for name, text in found.items()
    )


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([route(gateway="10.0.1.1", source="10.0.1.2")], Gateway("10.0.1.1", "10.0.1.2")),
        ([route(source="10.0.1.2")], None),  # a tunnel
        ([], None),
    ],
)
def test_only_a_route_by_a_router_has_one(
    answers: list[bytes], found: Gateway | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def ask(kind: int, body: bytes) -> list[bytes]:
        asked.append(body)
        return answers

    monkeypatch.setattr(gateway, "ask", ask)
    assert find_gateway(7) == found
    wanted = dict(attributes(asked[0][ROUTE.size :]))
    assert wanted[RTA_MARK] == struct.pack("=I", 7)
    assert IPv4Address(wanted[RTA_DST]) == IPv4Address("192.0.2.1")


def test_a_host_without_a_route_has_no_router(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(kind: int, body: bytes) -> list[bytes]:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(gateway, "ask", ask)
    assert find_gateway(0) is None


def test_private_addresses_are_behind_a_nat() -> None:
    assert all(Gateway("x", source).is_behind_nat for source in ("10.0.1.2", "192.168.1.2", "100.64.1.2"))
    assert not Gateway("11.0.1.1", "11.0.1.2").is_behind_nat
