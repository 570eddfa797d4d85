"""Whatever text is shown of a configured peer names it."""

from collections.abc import Sequence

import pytest

from mycelium.admin.control import EndpointInfo, PeerInfo, SocketInfo
from mycelium.daemon.named_peer import named_peer
from mycelium.errors import ConfigError, LocalError

KEY = "ab" * 32
FINGERPRINT = "ef" * 16
OTHER_KEY = "cd" * 32


def peer(
    url: str | None,
    scheme: str = "udp",
    place: str = "192.0.2.1:9651",
    origin: str = "static",
    address: str = "192.0.2.1:9651",
) -> PeerInfo:
    """Returns a peer as the API shows it."""
    proto = {"udp": "quic", "wss": "tls"}.get(scheme, scheme)
    return PeerInfo(
        endpoint=EndpointInfo(proto, SocketInfo(address), place, scheme),
        type="static",
        origin=origin,
        connection_state="alive",
        tx_bytes=0,
        rx_bytes=0,
        discovered=0,
        url=url,
        public_key=KEY,
    )


def shown(one: PeerInfo) -> list[str]:
    """Returns every text that the API, its tables and the Rust implementation's show of a peer's place."""
    end = one.endpoint
    numeric = [f"{end.proto}://{end.addr.socket}", f"{end.scheme}://{end.addr.socket}", end.addr.socket]
    own = [one.url, one.url.partition(f".{FINGERPRINT}")[0], one.url.partition("#")[0]] if one.url else []
    return [*numeric, f"{end.scheme}://{end.socket_addr}", *own]


@pytest.mark.parametrize(
    "one",
    [
        peer("udp://192.0.2.1:9651"),
        peer(f"hub.example.org:9651#{KEY}", place="hub.example.org:9651"),
        peer(f"hub.example.org:9651#{KEY}.{FINGERPRINT}", place="hub.example.org:9651"),
        peer("hub.example.org:9651", "tcp"),
        peer(f"quic://192.0.2.1:9651#{KEY}", "quic"),
        peer(f"wss://hub.example.org:443/way#{KEY}", "wss", "hub.example.org:443/way"),
        peer("udp://[fe80::1%lo]:9651", place="[fe80::1%lo]:9651"),
    ],
)
def test_any_text_that_is_shown_of_it_names_it(one: PeerInfo) -> None:
    other = peer("udp://192.0.2.9:1", place="192.0.2.9:1", address="192.0.2.9:1")
    for text in shown(one):
        assert str(named_peer(text, [other, one])) == one.url


def refusal(text: str, peers: Sequence[PeerInfo]) -> str:
    with pytest.raises(LocalError) as refused:
        named_peer(text, peers)
    return str(refused.value)


def test_what_no_list_names_is_said_to_be_there_for_another_reason() -> None:
    inbound = peer("udp://192.0.2.1:9651", origin="inbound")
    assert refusal("quic://192.0.2.1:9651", [inbound]) == (
        "quic://192.0.2.1:9651 is in no list of peers that could be changed: it has dialled this node"
    )
    assert "taken out of the configuration only" in refusal("dns://mesh.example.org", [])


def test_a_text_that_means_two_peers_names_both() -> None:
    two = [peer("udp://192.0.2.1:9651"), peer("hub.example.org:9651")]
    assert (
        refusal("192.0.2.1:9651", two)
        == "192.0.2.1:9651 is more than one peer: hub.example.org:9651, udp://192.0.2.1:9651"
    )
    assert str(named_peer("udp://192.0.2.1:9651", two)) == "udp://192.0.2.1:9651"


def test_another_key_or_protocol_or_place_names_nobody() -> None:
    known = [peer(f"udp://192.0.2.1:9651#{KEY}")]
    for text in (f"udp://192.0.2.1:9651#{OTHER_KEY}", "tls://192.0.2.1:9651", "udp://192.0.2.1:9652"):
        assert str(named_peer(text, known)) == text
    with pytest.raises(ConfigError):
        named_peer("what://192.0.2.1", known)
