"""Who floods a node with session requests, under whichever names, uses up his own share."""

from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    SESSION_REQUESTS_AT_ONCE,
    SESSION_REQUESTS_PER_SECOND,
    SESSION_REQUESTS_UNANSWERED,
)
from mycelium.routing.excess import SESSION_REQUESTS, Excesses
from mycelium.session.request_gate import RequestGate, RequestVerdict
from tests.crypto.support import entropy_of

ANSWER, ASK, REFUSE = RequestVerdict.ANSWER, RequestVerdict.ASK_FOR_COOKIE, RequestVerdict.REFUSE
NEIGHBOUR = b"n" * 16


class Flooded:
    """A gate under load."""

    def __init__(self) -> None:
        self.excesses = Excesses()
        self.gate = RequestGate(entropy_of(1), self.excesses, now=0.0)
        for number in range(HANDSHAKES_PER_SECOND):
            assert self.gate.judge(source(number), b"", neighbour=NEIGHBOUR, now=0.0) is ANSWER

    def ask(self, number: int, *, cookie: bytes | None = None, neighbour: bytes = NEIGHBOUR) -> RequestVerdict:
        """Brings the right cookie of a source back, unless another is given."""
        good = self.gate.cookie_for(source(number), now=0.0)
        return self.gate.judge(source(number), good if cookie is None else cookie, neighbour=neighbour, now=0.0)


def source(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_under_load_only_the_right_cookie_counts() -> None:
    flooded = Flooded()
    others = flooded.gate.cookie_for(source(2), now=0.0)
    verdicts = [flooded.ask(1, cookie=cookie) for cookie in (b"", bytes(16), others)]
    assert verdicts == [ASK] * 3
    assert flooded.ask(1) is ANSWER


def test_a_node_has_a_share_of_its_own() -> None:
    flooded = Flooded()
    verdicts = [flooded.ask(1) for _ in range(100)]
    assert verdicts == [ANSWER] * SESSION_REQUESTS_AT_ONCE + [REFUSE] * (100 - SESSION_REQUESTS_AT_ONCE)
    assert flooded.ask(2) is ANSWER
    later = 1.0 / SESSION_REQUESTS_PER_SECOND
    cookie = flooded.gate.cookie_for(source(1), now=later)
    assert flooded.gate.judge(source(1), cookie, neighbour=NEIGHBOUR, now=later) is ANSWER


def test_a_neighbour_that_brings_many_nodes_has_a_share_too_and_is_named_when_they_do_not_end() -> None:
    flooded = Flooded()
    verdicts = [flooded.ask(number) for number in range(HANDSHAKES_PER_SECOND + SESSION_REQUESTS_UNANSWERED)]
    assert verdicts == [ANSWER] * HANDSHAKES_PER_SECOND + [REFUSE] * SESSION_REQUESTS_UNANSWERED
    assert flooded.excesses.take() == []
    assert flooded.ask(999) is REFUSE
    assert flooded.excesses.take() == [(NEIGHBOUR, SESSION_REQUESTS)]
    assert flooded.ask(1_000, neighbour=b"m" * 16) is ANSWER


def test_all_together_have_a_limit() -> None:
    flooded = Flooded()
    neighbours = [bytes([number // HANDSHAKES_PER_SECOND]) * 16 for number in range(1_000)]
    verdicts = [flooded.ask(number, neighbour=neighbour) for number, neighbour in enumerate(neighbours)]
    assert verdicts.count(ANSWER) == HANDSHAKES_PER_SECOND_WITH_COOKIE


def test_a_neighbour_whose_requests_are_asked_for_cookies_without_end_is_named() -> None:
    flooded = Flooded()
    verdicts = [flooded.ask(number, cookie=b"") for number in range(SESSION_REQUESTS_UNANSWERED)]
    assert (set(verdicts), flooded.excesses.take()) == ({ASK}, [])
    assert flooded.ask(1, cookie=b"") is ASK
    assert flooded.excesses.take() == [(NEIGHBOUR, SESSION_REQUESTS)]


def test_a_neighbour_is_not_named_for_two_hundred_nodes_that_ask_at_once() -> None:
    flooded = Flooded()
    waiting = list(range(1_000, 1_200))
    assert {flooded.ask(number, cookie=b"") for number in waiting} == {ASK}
    for now in (0.0, 1.0, 3.0, 7.0):
        cookies = {number: flooded.gate.cookie_for(source(number), now=now) for number in waiting}
        waiting = [
            number
            for number, cookie in cookies.items()
            if flooded.gate.judge(source(number), cookie, neighbour=NEIGHBOUR, now=now) is not ANSWER
        ]
    assert waiting == []
    assert flooded.excesses.take() == []
