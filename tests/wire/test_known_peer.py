"""Where nodes can be dialled, on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.wire.known_peer import SCHEMES, KnownPeer, decode_known_peers, encode_known_peers, known_peer
from mycelium.wire.underlay_address import UnderlayAddress
from tests.wire.test_underlay_address import UNDERLAY_ADDRESSES

KEYS = st.binary(min_size=32, max_size=32)
KNOWN_PEERS = st.builds(KnownPeer, st.sampled_from(SCHEMES), UNDERLAY_ADDRESSES, KEYS)
EXAMPLE = KnownPeer("quic", UnderlayAddress("192.0.2.1", 9651), bytes(32))


@given(st.lists(KNOWN_PEERS, max_size=20))
def test_peers_survive_the_wire_in_order(peers: list[KnownPeer]) -> None:
    assert decode_known_peers(encode_known_peers(peers)) == tuple(peers)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_one_error(data: bytes) -> None:
    try:
        decode_known_peers(data)
    except DecodeError:
        assert len(data) % 51


def test_a_peer_of_an_unknown_scheme_is_skipped() -> None:
    unknown = bytes((len(SCHEMES),)) + encode_known_peers([EXAMPLE])[1:]
    assert decode_known_peers(unknown + encode_known_peers([EXAMPLE])) == (EXAMPLE,)


def test_a_part_of_a_peer_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_known_peers(encode_known_peers([EXAMPLE])[:-1])


def test_a_peer_is_told_by_its_endpoint_and_dialled_there() -> None:
    endpoint = Endpoint("quic", "192.0.2.1", 9651)
    assert known_peer(endpoint._replace(local=b"1234"), bytes(32)) == EXAMPLE
    assert EXAMPLE.endpoint == endpoint
