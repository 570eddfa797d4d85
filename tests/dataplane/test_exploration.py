"""One search: what it probes when, and when it is over."""

from mycelium.dataplane.exploration import LEAST_WAIT_S, MOST_WAIT_S, TRIES, Exploration
from mycelium.wire.reachability import TOKEN_BYTES

ROUTE, OTHER = b"r" * 16, b"o" * 16


def entropy(size: int) -> bytes:
    return bytes(size)


def test_the_first_try_goes_along_the_route_and_later_ones_over_others_too() -> None:
    search = Exploration(ROUTE, is_urgent=False, wait_s=0.0, now=1.0)
    assert not search.is_broad
    search.begin_try(now=1.0)
    assert search.is_broad
    assert search.due_at == 1.0 + LEAST_WAIT_S
    assert Exploration(ROUTE, is_urgent=True, wait_s=0.0, now=1.0).is_broad


def test_it_waits_as_long_as_answers_may_take_but_not_for_ever() -> None:
    waits = [Exploration(ROUTE, is_urgent=False, wait_s=wait_s, now=0.0).wait_s for wait_s in (0.0, 1.0, 60.0)]
    assert waits == [LEAST_WAIT_S, 1.0, MOST_WAIT_S]


def test_it_is_over_once_the_route_has_answered() -> None:
    search = Exploration(ROUTE, is_urgent=False, wait_s=0.0, now=0.0)
    search.begin_try(now=0.0)
    token = search.token_for(ROUTE, entropy)
    assert len(token) == TOKEN_BYTES
    search.take(b"another!")
    assert not search.is_over(now=0.1)
    search.take(token)
    assert search.is_over(now=0.1)


def test_it_is_over_when_the_last_try_has_had_its_time_although_another_next_hop_answers() -> None:
    search = Exploration(ROUTE, is_urgent=False, wait_s=0.0, now=0.0)
    for number in range(TRIES):
        assert not search.is_over(now=search.due_at)
        search.begin_try(now=search.due_at)
        search.take(search.token_for(OTHER, lambda size, number=number: bytes((number,)) * size))  # type: ignore[misc]
    assert not search.is_over(now=search.due_at - 0.1)
    assert search.is_over(now=search.due_at)
    assert list(search.answered) == [OTHER]
