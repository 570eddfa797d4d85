"""Which of a host's addresses are worth naming to others."""

from ipaddress import ip_address

import pytest

from mycelium.daemon.own_addresses import reachable_at
from mycelium.endpoint import Endpoint
from mycelium.wire.underlay_address import UnderlayAddress

TUN = 9
PRIVATE, GLOBAL, SIX = "192.168.1.5", "8.8.4.4", "2001:4860::7"
HERE = {PRIVATE: 2, GLOBAL: 3, SIX: 3, "127.0.0.1": 1, "::1": 1, "fe80::1": 2, "400::7": TUN, "10.9.0.1": TUN}
INTERFACES = {ip_address(host).packed: index for host, index in HERE.items()}


@pytest.mark.parametrize(
    ("bound", "hosts"),
    [("::", [GLOBAL, SIX, PRIVATE]), ("0.0.0.0", [GLOBAL, PRIVATE]), (PRIVATE, [PRIVATE]), ("192.0.2.1", [])],
)
def test_addresses_that_others_may_reach_are_named_and_the_overlay_and_loopback_are_not(
    bound: str, hosts: list[str]
) -> None:
    listening = [Endpoint("udp", bound, 9651), Endpoint("tcp", bound, 9652)]
    found = reachable_at(INTERFACES, listening, leads_inside=lambda index: index == TUN)
    assert found == [UnderlayAddress(host, 9651) for host in hosts]
