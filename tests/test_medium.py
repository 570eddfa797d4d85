"""What the scheme of an endpoint says of the way there."""

from mycelium.limits import QUIC_DATAGRAM, STREAM_DATAGRAM
from mycelium.medium import UDP, medium_of
from mycelium.peer_url import SCHEMES


def test_every_scheme_that_can_be_dialled_has_a_medium_of_its_own() -> None:
    assert len({medium_of(scheme) for scheme in SCHEMES}) == len(SCHEMES)


def test_a_stream_carries_what_its_prefix_can_say_and_loses_nothing() -> None:
    tcp = medium_of("tcp")
    assert (tcp.datagram_size, tcp.is_reliable) == (STREAM_DATAGRAM, True)


def test_udp_is_preferred_and_has_its_size_found() -> None:
    assert medium_of("udp").datagram_size is None
    assert medium_of("udp").preference < medium_of("tcp").preference


def test_an_unknown_scheme_is_like_udp() -> None:
    assert medium_of("memory") is UDP


def test_quic_has_a_fixed_size_may_lose_and_comes_between_udp_and_tcp() -> None:
    quic = medium_of("quic")
    assert (quic.datagram_size, quic.is_reliable) == (QUIC_DATAGRAM, False)
    assert medium_of("udp").preference < quic.preference < medium_of("tcp").preference
