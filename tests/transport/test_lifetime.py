"""Which connections are kept, whatever kind they are of."""

from dataclasses import dataclass

import pytest

from mycelium.endpoint import Endpoint
from mycelium.transport.lifetime import CONNECT_S, UNUSED_S, first_untrusted, has_path, is_overdue, is_unused

HERE, THERE = Endpoint("tcp", "192.0.2.1", 9651), Endpoint("tcp", "192.0.2.2", 9651)


@dataclass
class Known:
    names: tuple[Endpoint, ...] = ()
    is_trusted: bool = False
    unused_since: float = 100.0
    is_suspended: bool = False


def test_a_connection_has_a_path_under_any_of_its_names_and_none_before_it_has_one() -> None:
    assert has_path(Known((HERE, THERE)), {THERE})
    assert not has_path(Known((HERE,)), {THERE})
    assert not has_path(Known(), {HERE, THERE})


def test_a_connection_without_a_path_is_closed_after_its_time_or_once_it_has_said_too_much() -> None:
    assert not is_unused(Known(), now=100.0 + UNUSED_S)
    assert is_unused(Known(), now=100.1 + UNUSED_S)
    assert is_unused(Known(is_suspended=True), now=100.0)


@pytest.mark.parametrize(("waited_s", "expected"), [(CONNECT_S, False), (CONNECT_S + 0.1, True)])
def test_opening_is_given_up_after_its_time(waited_s: float, expected: bool) -> None:
    assert is_overdue(Known(), now=100.0 + waited_s) is expected


def test_the_first_that_is_not_trusted_gives_way_to_a_new_one() -> None:
    trusted, first, second = Known(is_trusted=True), Known((HERE,)), Known((THERE,))
    assert first_untrusted([trusted, first, second]) is first
    assert first_untrusted([trusted]) is None
