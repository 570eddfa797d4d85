"""The structures of the API: their names in JSON are those of the Rust implementation, and what an event lacks is absent."""

import json

import msgspec

from mycelium.admin.control import AdminInfo, EndpointInfo, EventInfo, PeerInfo, SocketInfo


def as_json(value: object) -> object:
    return json.loads(msgspec.json.encode(value))


def test_names_are_in_camel_case() -> None:
    info = AdminInfo(node_subnet="400::/64", node_ip="400::1", node_pubkey="aa", node_start_time=7)
    assert as_json(info) == {"nodeSubnet": "400::/64", "nodeIp": "400::1", "nodePubkey": "aa", "nodeStartTime": 7}


def test_a_peer_without_a_link_says_null_for_what_only_a_link_knows() -> None:
    peer = PeerInfo(
        endpoint=EndpointInfo("quic", SocketInfo("0.0.0.0:1"), "a:1", "udp"),
        type="static",
        origin="static",
        connection_state="dead",
        tx_bytes=0,
        rx_bytes=0,
        discovered=9,
    )
    told = as_json(peer)
    assert isinstance(told, dict)
    assert told["endpoint"] == {
        "proto": "quic",
        "addr": {"socket": "0.0.0.0:1"},
        "socketAddr": "a:1",
        "scheme": "udp",
    }
    assert [told[name] for name in ("rttMs", "rttAgeS", "loss", "cost", "lastConnected", "publicKey")] == [None] * 6


def test_an_event_has_only_the_fields_of_its_kind_and_survives_json() -> None:
    event = EventInfo(sequence=3, time=1.5, kind="link-suspect", node="400::1", silent_s=0.07)
    assert as_json(event) == {"sequence": 3, "time": 1.5, "kind": "link-suspect", "node": "400::1", "silentS": 0.07}
    assert msgspec.json.decode(msgspec.json.encode(event), type=EventInfo) == event
