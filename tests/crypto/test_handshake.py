"""What both handshakes share; the handshakes themselves are tested in files of their own."""

import pytest

from mycelium.crypto.handshake import choose_suite, require_offered
from mycelium.errors import HandshakeError, LocalError
from mycelium.wire.datagram import SUITE_AES_256_GCM as AES
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305 as CHACHA
from tests.crypto.support import ALICE, config_of

BOTH = AES | CHACHA


@pytest.mark.parametrize("psk", [b"", b"password", bytes(31), bytes(33)])
def test_a_pre_shared_key_of_the_wrong_size_is_refused_at_once(psk: bytes) -> None:
    with pytest.raises(LocalError, match=f"32 bytes, not {len(psk)}"):
        config_of(ALICE, psk=psk)


@pytest.mark.parametrize("network_id", [b"", bytes(7), bytes(9)])
def test_a_network_id_of_the_wrong_size_is_refused_at_once(network_id: bytes) -> None:
    with pytest.raises(LocalError, match=f"8 bytes, not {len(network_id)}"):
        config_of(ALICE, network_id=network_id)


@pytest.mark.parametrize(
    ("offered", "supported", "chosen"),
    [(BOTH, BOTH, AES), (0xFF, BOTH, AES), (BOTH, CHACHA, CHACHA), (CHACHA, BOTH, CHACHA), (AES, BOTH, AES)],
)
def test_the_preferred_suite_of_those_in_common_is_chosen(offered: int, supported: int, chosen: int) -> None:
    assert choose_suite(offered, supported) == chosen


@pytest.mark.parametrize(("offered", "supported"), [(AES, CHACHA), (0, BOTH), (0xFC, BOTH)])
def test_no_suite_in_common_is_an_error(offered: int, supported: int) -> None:
    with pytest.raises(HandshakeError, match="in common"):
        choose_suite(offered, supported)


@pytest.mark.parametrize(("suite", "offered"), [(AES, CHACHA), (0, BOTH), (BOTH, BOTH), (4, 0xFF)])
def test_a_responder_may_choose_exactly_one_suite_of_those_offered(suite: int, offered: int) -> None:
    require_offered(AES, BOTH)
    require_offered(CHACHA, CHACHA)
    with pytest.raises(HandshakeError, match="not offered"):
        require_offered(suite, offered)
