"""The end of a survey that is asked: what it tells, when, and how often."""

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.limits import LINKS, NEIGHBOURS, SURVEY_ANSWERS, SURVEY_WAIT_S, SURVEYS_WAITING
from mycelium.routing.excess import SURVEYS, Excesses
from mycelium.session.session import TRAIN_FLOOR
from mycelium.survey.own_links import version_of
from mycelium.survey.teller import ANSWER_BYTES, LINKS_PER_ANSWER, SEEN_S, Teller
from mycelium.wire.survey import LinksAsked, LinksTold, ToldLink, decode_survey
from mycelium.wire.train import ITEM_HEADER_BYTES

ASKER = b"a" * 16
TOKEN = b"tokentok"


def link(number: int, cost: int = 100) -> ToldLink:
    return ToldLink(number.to_bytes(16, "big"), cost, 1_000, 0, is_suspect=False)


class Asked:
    """A teller with links that change, and what it has sent."""

    def __init__(self, count: int = 2, *, tells: bool = True) -> None:
        self.links = tuple(map(link, range(count)))
        self.sent: list[tuple[bytes, LinksTold]] = []
        self.longest = 0
        self.looks = 0
        self.counters = DataplaneCounters()
        self.excesses = Excesses()
        self.teller = Teller(
            self._links, tells=tells, send=self._send, counters=self.counters, excesses=self.excesses, now=0.0
        )

    def _links(self, *, now: float) -> tuple[ToldLink, ...]:
        self.looks += 1
        return self.links

    def _send(self, node: bytes, message: bytes, *, now: float) -> bool:
        answer = decode_survey(message)
        assert isinstance(answer, LinksTold)
        self.sent.append((node, answer))
        self.longest = max(self.longest, len(message))
        return True

    def take(self, asker: bytes = ASKER, *, first: int = 0, wait_s: int = 0, knows: bool = False) -> None:
        version = version_of(self.links) if knows else bytes(8)
        self.teller.take(asker, LinksAsked(TOKEN, first, version, wait_s), now=0.0)


def test_a_question_is_answered_with_all_links() -> None:
    asked = Asked()
    asked.take()
    assert asked.sent == [(ASKER, LinksTold(TOKEN, version_of(asked.links), 2, 0, asked.links))]
    assert asked.counters.surveys_answered == 1


def test_many_links_are_told_in_parts_that_fit_a_datagram() -> None:
    asked = Asked(NEIGHBOURS)
    for first in range(0, NEIGHBOURS, LINKS_PER_ANSWER):
        asked.take(first=first)
    assert tuple(one for _, answer in asked.sent for one in answer.links) == asked.links
    assert asked.longest <= ANSWER_BYTES
    assert ANSWER_BYTES + ITEM_HEADER_BYTES <= TRAIN_FLOOR
    asked.take(first=NEIGHBOURS + 1)
    assert asked.sent[-1][1].links == ()


def test_a_question_that_knows_the_links_waits_until_they_change() -> None:
    asked = Asked()
    asked.take(wait_s=30, knows=True)
    asked.teller.look(now=1.0)
    assert (asked.sent, asked.teller.is_waited_for) == ([], True)
    asked.links = (*asked.links, link(9))
    asked.teller.look(now=2.0)
    assert [answer.links for _, answer in asked.sent] == [asked.links]
    assert not asked.teller.is_waited_for


def test_a_question_waits_no_longer_than_it_may_and_than_there_is_patience() -> None:
    asked = Asked()
    asked.take(wait_s=5, knows=True)
    asked.teller.look(now=4.9)
    assert asked.sent == []
    asked.teller.look(now=5.0)
    assert len(asked.sent) == 1
    asked.take(wait_s=60_000, knows=True)
    asked.teller.look(now=SURVEY_WAIT_S)
    assert len(asked.sent) == 2


def test_a_question_that_knows_other_links_is_answered_at_once() -> None:
    asked = Asked()
    asked.take(wait_s=30)
    assert len(asked.sent) == 1


def test_a_new_question_takes_the_place_of_the_last_one() -> None:
    asked = Asked()
    asked.take(wait_s=5, knows=True)
    asked.take(wait_s=30, knows=True)
    asked.teller.look(now=10.0)
    assert asked.sent == []


def test_what_waits_is_bounded_and_what_is_beyond_is_answered_at_once() -> None:
    asked = Asked()
    for number in range(SURVEYS_WAITING):
        asked.take(number.to_bytes(16, "big"), wait_s=30, knows=True)
    assert asked.sent == []
    asked.take(wait_s=30, knows=True)
    assert len(asked.sent) == 1


def test_a_node_that_keeps_its_links_to_itself_says_so_and_nothing_else() -> None:
    asked = Asked(tells=False)
    asked.take(wait_s=30, knows=True)
    assert asked.sent == [(ASKER, LinksTold(TOKEN, is_refused=True))]


def test_who_asks_for_as_many_links_as_strangers_may_have_twice_asks_little() -> None:
    assert SURVEY_ANSWERS.little_at_once >= 2 * LINKS / LINKS_PER_ANSWER


def test_one_that_asks_too_much_leaves_something_to_others() -> None:
    asked = Asked()
    for _ in range(2 * int(SURVEY_ANSWERS.at_once)):
        asked.take()
    assert asked.counters.surveys_refused > SURVEY_ANSWERS.at_once / 2
    assert asked.excesses.take() == [(ASKER, SURVEYS)]
    answered = len(asked.sent)
    asked.take(b"b" * 16)
    assert len(asked.sent) == answered + 1


def test_however_many_ask_at_once_the_links_are_looked_at_ten_times_a_second() -> None:
    asked = Asked()
    for number in range(50):
        asked.take(bytes([number]) * 16)
    assert (asked.looks, len(asked.sent)) == (1, 50)
    asked.links = asked.links[:1]
    asked.teller.take(ASKER, LinksAsked(TOKEN, 0, bytes(8), 0), now=SEEN_S)
    assert (asked.looks, len(asked.sent[-1][1].links)) == (2, 1)
