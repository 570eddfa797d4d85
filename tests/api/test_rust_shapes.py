"""The answers that the Rust implementation has too are of its shapes: its own client decodes them, with the types it has.

The structures here are those of the Rust implementation 0.7.10, with the ranges of its integers. Its enumeration of protocols
knows no "udp": `proto` is its "quic" then, and `scheme` is ours.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from tests.api.support import FIRST_PEER, KEY, Call, calling, unix

U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
Metric = Annotated[int, Meta(ge=0, lt=0xFFFF)] | Literal["infinite"]  # its infinity is not sent as a number
U64 = Annotated[int, Meta(ge=0)]


class Address(Struct):
    socket: str


class Endpoint(Struct):
    proto: Literal["tcp", "tls", "quic"]
    addr: Address


class Peer(Struct, rename="camel"):
    endpoint: Endpoint
    type: Literal["static", "inbound", "linkLocalDiscovery"]
    connection_state: Literal["alive", "connecting", "dead"]
    tx_bytes: U64
    rx_bytes: U64
    discovered: U64
    last_connected: U64 | None


class Route(Struct, rename="camel"):
    subnet: IPv6Network
    next_hop: str
    metric: Metric
    seqno: U16


class QueriedSubnet(Struct):
    subnet: IPv6Network
    expiration: str


class Packets(Struct, rename="camel"):
    ip: IPv6Address
    packet_count: U64
    byte_count: U64


class PacketStatistics(Struct, rename="camel"):
    by_source: list[Packets]
    by_destination: list[Packets]


class Info(Struct, rename="camel"):
    node_subnet: IPv6Network
    node_ip: IPv6Address
    node_pubkey: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    node_start_time: U64


class PublicKey(Struct, rename="camel"):
    public_key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


SHAPES = {
    "/admin": Info,
    "/admin/peers": list[Peer],
    "/admin/routes/selected": list[Route],
    "/admin/routes/fallback": list[Route],
    "/admin/routes/queried": list[QueriedSubnet],
    "/admin/stats/packets": PacketStatistics,
    "/admin/proxy": list[IPv6Address],
    "/pubkey/5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113": PublicKey,
}


def as_read_there(type_: type, value: object) -> object:
    if type_ in (IPv6Address, IPv6Network):
        return type_(value)
    raise NotImplementedError


def answers_to(folder: Path, *paths: str) -> dict[str, Any]:
    """Returns what the API answers to GET calls."""
    answers: dict[str, Any] = {}

    async def talk(call: Call) -> None:
        for path in paths:
            status, answers[path] = await call("GET", path)
            assert status == 200, path

    calling(unix(folder), talk)
    return answers


def test_each_answer_has_every_field_with_its_type_and_range(tmp_path: Path) -> None:
    for path, answer in answers_to(tmp_path, *SHAPES).items():
        msgspec.convert(answer, SHAPES[path], dec_hook=as_read_there)


def test_peers_have_the_address_in_the_form_of_its_code_and_in_that_of_its_document(tmp_path: Path) -> None:
    [peer] = answers_to(tmp_path, "/admin/peers")["/admin/peers"]
    place = FIRST_PEER.removeprefix("udp://")
    assert peer["endpoint"] == {"proto": "quic", "addr": {"socket": place}, "socketAddr": place, "scheme": "udp"}
    assert IPv4Address(place.partition(":")[0])


def test_routes_have_its_units_beside_our_exact_ones(tmp_path: Path) -> None:
    route, infinite = answers_to(tmp_path, "/admin/routes/selected")["/admin/routes/selected"]
    exact = 117_698_060_943_360
    assert (route["metric"], route["cost"]) == (7, 674)
    assert (route["seqno"], route["sequence"]) == (exact % 65_536, exact)
    assert (infinite["metric"], infinite["cost"]) == ("infinite", None)


def test_what_this_node_does_not_have_is_an_empty_list(tmp_path: Path) -> None:
    assert answers_to(tmp_path, "/admin/routes/queried", "/admin/stats/packets", "/admin/proxy") == {
        "/admin/routes/queried": [],
        "/admin/stats/packets": {"bySource": [], "byDestination": []},
        "/admin/proxy": [],
    }


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=utf-8"}]
)
def test_a_peer_is_added_whatever_its_content_is_called(tmp_path: Path, headers: dict[str, str]) -> None:
    async def talk(call: Call) -> None:
        body = msgspec.json.encode({"endpoint": f"udp://[2001:db8::1]:7#{KEY}"})
        skipped = () if headers else ("Content-Type",)
        assert await call("POST", "/admin/peers", data=body, headers=headers, skip_auto_headers=skipped) == (204, None)
        assert await call("POST", "/admin/peers", data=b"udp://[2001:db8::2]:7", headers=headers) != (204, None)

    calling(unix(tmp_path), talk)
