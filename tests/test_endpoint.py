"""Where a neighbour can be reached, and what of it does not matter when two of them are compared."""

import pytest

from mycelium.endpoint import Endpoint, Lost, is_same_remote

HEARD = Endpoint("udp", "fe80::1", 9651, 3, b"0123456789abcdef", 9652)


def test_the_remote_forgets_which_local_socket_was_spoken_to() -> None:
    assert HEARD.remote == Endpoint("udp", "fe80::1", 9651, 3)
    assert is_same_remote(HEARD, HEARD.remote)


def test_an_accepted_connection_is_never_taken_for_an_address_to_dial() -> None:
    accepted = Endpoint("tcp", "192.0.2.1", 40_000, 0, bytes(4), 0, 7)
    assert accepted.remote == Endpoint("tcp", "192.0.2.1", 40_000, connection=7)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        (Endpoint("udp", "192.0.2.1", 9651, 0, bytes(4), 1), "udp://192.0.2.1:9651"),
        (Endpoint("tcp", "2001:db8::1", 1), "tcp://[2001:db8::1]:1"),
        (HEARD, "udp://[fe80::1%3]:9651"),
    ],
)
def test_people_see_a_url(endpoint: Endpoint, text: str) -> None:
    assert str(endpoint) == text


@pytest.mark.parametrize(
    ("lost", "is_affected"),
    [
        (Lost(), False),
        (Lost(frozenset((HEARD.local,))), True),
        (Lost(interface=3), True),
        (Lost(interface=4), False),
        (Lost(endpoint=HEARD), True),
        (Lost(endpoint=HEARD.remote), False),
    ],
)
def test_a_loss_concerns_what_went_by_it(lost: Lost, is_affected: bool) -> None:
    assert lost.affects(HEARD) is is_affected
