"""The end of a survey that asks: whom, when, what it makes of the answers, and what bounds it."""

from itertools import count

import pytest

from mycelium.limits import NEIGHBOURS, SURVEY_QUESTIONS_PER_SECOND, SURVEY_WAIT_S, SURVEYED_LINKS, SURVEYED_NODES
from mycelium.survey.surveyor import (
    AGAIN_S,
    ANSWER_S,
    KEYS_S,
    SILENT_S,
    TRIES,
    WAIT_S,
    WANTED_S,
    Surveyed,
    Surveyor,
    SurveyState,
)
from mycelium.survey.teller import LINKS_PER_ANSWER
from mycelium.wire.distance import INFINITY
from mycelium.wire.survey import LinksAsked, LinksTold, ToldLink, decode_survey

OWN = bytes(16)
VERSION, OTHER_VERSION = b"version1", b"version2"


def node(number: int) -> bytes:
    return number.to_bytes(16, "big")


def link(number: int) -> ToldLink:
    return ToldLink(node(number), 100, 1_000, 0, is_suspect=False)


class Mesh:
    """A surveyor, nodes by their distance, and what it has asked them."""

    def __init__(self, nodes: int = 1, *, has_keys: bool = True) -> None:
        self.metrics = {OWN: 0, **{node(number): number for number in range(1, nodes + 1)}}
        self.version = 0
        self.has_keys = has_keys
        self.asked: list[tuple[bytes, LinksAsked]] = []
        self.now = 100.0
        numbers = count(1)
        self.surveyor = Surveyor(
            self.metrics.items,
            lambda: self.version,
            keys=self._keys,
            send=self._send,
            entropy=lambda size: next(numbers).to_bytes(size, "big"),
            now=self.now,
        )
        self.surveyor.want(now=self.now)
        self.surveyor.look(now=self.now)

    def _keys(self, node: bytes, *, now: float) -> bool:
        return self.has_keys

    def _send(self, node: bytes, message: bytes, *, now: float) -> bool:
        question = decode_survey(message)
        assert isinstance(question, LinksAsked)
        self.asked.append((node, question))
        return True

    def pass_time(self, seconds: float) -> None:
        """Looks every now and then, and has somebody look at the mesh all the time."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + 0.25, until)
            self.surveyor.want(now=self.now)
            self.surveyor.look(now=self.now)

    def change(self, **metrics: int) -> None:
        self.metrics.update({node(int(name[1:])): metric for name, metric in metrics.items()})
        self.version += 1

    def answer(
        self, *links: ToldLink, total: int | None = None, version: bytes = VERSION, refused: bool = False
    ) -> None:
        """Answers the newest question."""
        asker, question = self.asked[-1]
        told = LinksTold(
            question.token, version, len(links) if total is None else total, question.first, links, refused
        )
        self.surveyor.take(asker, told, now=self.now)

    def of(self, number: int) -> Surveyed:
        return self.surveyor.nodes[node(number)]


def test_nodes_are_asked_the_nearest_first_at_a_rate() -> None:
    mesh = Mesh(100)
    first = [asked for asked, _ in mesh.asked]
    assert first == [node(number) for number in range(1, SURVEY_QUESTIONS_PER_SECOND + 1)]
    mesh.pass_time(1)
    assert len(mesh.asked) == 2 * SURVEY_QUESTIONS_PER_SECOND
    assert OWN not in mesh.surveyor.nodes


def test_an_answer_is_kept_and_followed_by_a_question_that_waits_for_a_change() -> None:
    mesh = Mesh()
    assert mesh.of(1).state is SurveyState.WAITING
    mesh.answer(link(7), link(8))
    assert (mesh.of(1).state, mesh.of(1).links) == (SurveyState.TOLD, (link(7), link(8)))
    mesh.pass_time(AGAIN_S)
    _, question = mesh.asked[-1]
    assert (question.version, question.wait_s) == (VERSION, WAIT_S)
    mesh.answer(link(7), link(8))
    assert (mesh.of(1).state, mesh.of(1).links) == (SurveyState.TOLD, (link(7), link(8))), "nothing has changed"


def test_an_answer_after_a_while_is_followed_by_a_question_at_once() -> None:
    mesh = Mesh()
    mesh.answer(link(7))
    mesh.pass_time(AGAIN_S)
    mesh.answer(link(8))
    assert len(mesh.asked) == 3
    mesh.answer(link(7))
    assert len(mesh.asked) == 3, "one that changes all the time is not asked all the time"
    mesh.pass_time(AGAIN_S)
    assert len(mesh.asked) == 4


def test_questions_wait_as_long_as_it_takes_to_ask_all_nodes() -> None:
    mesh = Mesh(1_000)
    mesh.answer()
    mesh.pass_time(1_000 / SURVEY_QUESTIONS_PER_SECOND + 1)
    waits = {question.wait_s for _, question in mesh.asked if question.version == VERSION}
    assert waits == {1_000 // SURVEY_QUESTIONS_PER_SECOND}
    assert max(waits) <= SURVEY_WAIT_S


def test_many_links_are_asked_for_part_by_part() -> None:
    mesh = Mesh()
    links = [link(number) for number in range(2 * LINKS_PER_ANSWER + 1)]
    for first in range(0, len(links), LINKS_PER_ANSWER):
        assert mesh.asked[-1][1].first == first
        mesh.answer(*links[first : first + LINKS_PER_ANSWER], total=len(links))
    assert mesh.of(1).links == tuple(links)


def test_links_that_change_between_two_parts_are_asked_for_anew() -> None:
    mesh = Mesh()
    mesh.answer(link(1), total=2)
    mesh.answer(link(2), total=2, version=OTHER_VERSION)
    assert (mesh.asked[-1][1].first, mesh.of(1).links) == (0, ())
    mesh.answer(link(3), link(4), version=OTHER_VERSION)
    assert mesh.of(1).links == (link(3), link(4))


def test_a_part_that_is_lost_has_all_parts_asked_for_again() -> None:
    mesh = Mesh()
    mesh.answer(link(1), total=2)
    mesh.pass_time(ANSWER_S)
    question = mesh.asked[-1][1]
    assert (question.first, question.version, question.wait_s) == (0, bytes(8), 0)


def test_answers_that_nobody_has_asked_for_count_for_nothing() -> None:
    mesh = Mesh()
    mesh.surveyor.take(node(1), LinksTold(b"anything", VERSION, 1, 0, (link(7),)), now=mesh.now)
    mesh.surveyor.take(node(9), LinksTold(mesh.asked[-1][1].token, VERSION, 1, 0, (link(7),)), now=mesh.now)
    assert mesh.of(1).state is SurveyState.WAITING
    mesh.answer(link(7))
    mesh.answer(link(8))
    assert mesh.of(1).links == (link(7),), "a question has one answer"


def test_a_node_that_keeps_its_links_to_itself_is_asked_again_after_a_while() -> None:
    mesh = Mesh()
    mesh.answer(refused=True)
    assert mesh.of(1).state is SurveyState.REFUSED
    mesh.pass_time(SILENT_S - 1)
    assert len(mesh.asked) == 1
    mesh.pass_time(1)
    assert len(mesh.asked) == 2


def test_a_node_that_does_not_answer_is_silent_and_its_links_are_forgotten() -> None:
    mesh = Mesh()
    mesh.answer(link(7))
    mesh.pass_time(AGAIN_S + TRIES * (WAIT_S + ANSWER_S) + 1)
    assert (mesh.of(1).state, mesh.of(1).links) == (SurveyState.SILENT, ())
    assert len(mesh.asked) == 1 + TRIES
    mesh.pass_time(SILENT_S)
    mesh.answer(link(7))
    assert mesh.of(1).state is SurveyState.TOLD


def test_a_node_without_a_session_is_silent() -> None:
    mesh = Mesh(has_keys=False)
    mesh.pass_time(KEYS_S - 1)
    assert mesh.of(1).state is SurveyState.WAITING
    mesh.pass_time(2)
    assert (mesh.of(1).state, mesh.asked) == (SurveyState.SILENT, [])


def test_a_question_leaves_as_soon_as_there_is_a_session() -> None:
    mesh = Mesh(has_keys=False)
    mesh.pass_time(1)
    mesh.has_keys = True
    mesh.pass_time(0.25)
    assert len(mesh.asked) == 1


def test_nodes_come_and_go_with_their_routes() -> None:
    mesh = Mesh(2)
    mesh.answer(link(7))
    mesh.change(n1=INFINITY, n3=1)
    mesh.pass_time(1)
    assert list(mesh.surveyor.nodes) == [node(3), node(2)]
    assert mesh.of(2).links == (link(7),)


def test_the_nearest_nodes_are_asked_and_no_others() -> None:
    mesh = Mesh(SURVEYED_NODES + 100)
    assert list(mesh.surveyor.nodes) == [node(number) for number in range(1, SURVEYED_NODES + 1)]


def test_what_all_nodes_tell_together_is_bounded_and_each_has_its_first_answer() -> None:
    mesh = Mesh()
    many = tuple(map(link, range(NEIGHBOURS)))
    full = {node(number): Surveyed(links=many) for number in range(100, 101 + SURVEYED_LINKS // NEIGHBOURS)}
    mesh.surveyor.nodes.update(full)
    mesh.answer(*many[:LINKS_PER_ANSWER], total=NEIGHBOURS)
    assert mesh.of(1).links == many[:LINKS_PER_ANSWER]
    assert len(mesh.asked) == 1


@pytest.mark.parametrize("total", [0, NEIGHBOURS + 500, 65_535])
def test_a_node_can_tell_no_more_links_than_one_has_and_parts_without_any_end_it(total: int) -> None:
    mesh = Mesh()
    while len(mesh.of(1).parts) + LINKS_PER_ANSWER < NEIGHBOURS and total:
        mesh.answer(*map(link, range(LINKS_PER_ANSWER)), total=total)
    mesh.answer(*map(link, range(LINKS_PER_ANSWER if total else 0)), total=total)
    assert len(mesh.of(1).links) <= NEIGHBOURS + LINKS_PER_ANSWER
    assert mesh.of(1).state is SurveyState.TOLD


def test_once_nobody_looks_everything_is_forgotten() -> None:
    mesh = Mesh()
    mesh.surveyor.look(now=mesh.now + WANTED_S)
    assert (mesh.surveyor.nodes, mesh.surveyor.is_wanted) == ({}, False)
