"""Interfaces in URLs: by name or index, checked against this host, and printed so that they can be read back."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.zones import interface_index, parse_peer, url_of, with_zone_name, zone_of
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError
from mycelium.peer_address import objection
from mycelium.peer_url import PeerUrl

INTERFACES = {1: "lo", 7: "eth0", 8: "25gbe0", 9: "odd#name", 25: "wg0", 30: "12"}


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    def name_of(index: int) -> str:
        if index not in INTERFACES:
            raise OSError
        return INTERFACES[index]

    def index_of(name: str) -> int:
        for index, its in INTERFACES.items():
            if its == name:
                return index
        raise OSError

    monkeypatch.setattr(socket, "if_indextoname", name_of)
    monkeypatch.setattr(socket, "if_nametoindex", index_of)


@pytest.mark.parametrize("text", ["udp://[fe80::1%eth0]:9651", "UDP://[FE80::1%7]", "udp://[fe80:0::1%eth0]"])
def test_name_and_index_are_one_peer(text: str) -> None:
    assert str(parse_peer(text)) == "udp://[fe80::1%eth0]:9651"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("udp://[fe80::1%eth9]:9651", "this host has no interface 'eth9'"),
        ("tcp://[fe80::1%6]:9651", "this host has no interface '6'"),
        ("udp://[fe80::1%9999999999]:9651", "this host has no interface '9999999999'"),
        ("udp://[fe80::1%25eth0]:9651", "write '%eth0'"),
        ("udp://[fe80::1]:9651", "needs its interface"),
    ],
)
def test_an_interface_that_is_not_there_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_peer(text)


def test_a_url_keeps_an_interface_that_has_gone() -> None:
    url = PeerUrl.parse("udp://[fe80::1%gone]:9651")
    assert with_zone_name(url) == url
    assert interface_index("gone") == 0


@pytest.mark.parametrize(
    ("index", "zone"), [(7, "eth0"), (25, "wg0"), (8, "8"), (9, "9"), (30, "30"), (6, "6"), (2**40, str(2**40))]
)
def test_an_interface_is_named_where_its_name_can_be_read_back(index: int, zone: str) -> None:
    assert zone_of(index) == zone
    assert index not in INTERFACES or interface_index(zone) == index


HOSTS = st.one_of(
    st.tuples(st.ip_addresses().map(str), st.just(0)),
    st.tuples(st.ip_addresses(network="::ffff:0:0/96").map(str), st.just(0)),
    st.tuples(st.ip_addresses(network="fe80::/64").map(str), st.sampled_from(sorted(INTERFACES))),
)
ENDPOINTS = st.builds(
    lambda scheme, at, port: Endpoint(scheme, at[0], port, at[1]),
    st.sampled_from(["udp", "tcp"]),
    HOSTS,
    st.integers(1, 65_535),
)


@given(ENDPOINTS)
@pytest.mark.parametrize("printed", [url_of, str])
def test_each_endpoint_that_is_printed_is_taken_back(printed: "type[str]", endpoint: Endpoint) -> None:
    try:
        url = parse_peer(printed(endpoint))
    except ConfigError:
        assert objection(endpoint.host) is not None
        assert not endpoint.scope
        return
    address, zone = url.address_and_zone
    assert ip_address(address) == (getattr(ip_address(endpoint.host), "ipv4_mapped", None) or ip_address(endpoint.host))
    assert (url.scheme, url.port) == (endpoint.scheme, endpoint.port)
    assert (interface_index(zone) if zone else 0) == endpoint.scope
