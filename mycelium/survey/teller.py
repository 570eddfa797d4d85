"""The end of a survey that is asked: what this node tells of its links, to whom, and how often.

Whoever asks has a session with this node, so it has proved its address by a handshake in which it sent more than it got. A
question may wait for a change of the links: so a change is told at once, and nothing is sent while there is none.
"""

from math import inf
from typing import Final, Protocol

from msgspec import Struct

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.limits import SESSIONS, SURVEY_ANSWERS, SURVEY_WAIT_S, SURVEYS_WAITING
from mycelium.routing.excess import SURVEYS, Excesses, NamedShare
from mycelium.survey.own_links import version_of
from mycelium.wire.survey import SURVEY_HEAD, TOLD_LINK, LinksAsked, LinksTold, ToldLink, encode_answer

ANSWER_BYTES: Final = 1_016  # with the item's head, a train that fits one datagram on every path
SEEN_S: Final = 0.1  # for which questions are answered by what was seen last
LINKS_PER_ANSWER: Final = (ANSWER_BYTES - SURVEY_HEAD.size) // TOLD_LINK.size


class LinkSource(Protocol):
    """Returns the links of this node."""

    def __call__(self, *, now: float) -> tuple[ToldLink, ...]: ...


class MessageSender(Protocol):
    """Sends a message to the other end of a session, if there still is one."""

    def __call__(self, node: bytes, message: bytes, *, now: float) -> bool: ...


class _Waiting(Struct):
    """A question that waits for a change."""

    question: LinksAsked
    until: float


class Teller:
    """Answers questions for the links of this node; with `tells` unset it says that it keeps them to itself."""

    def __init__(
        self,
        links: LinkSource,
        *,
        tells: bool,
        send: MessageSender,
        counters: DataplaneCounters,
        excesses: Excesses,
        now: float,
    ) -> None:
        self._links = links
        self._tells = tells
        self._send = send
        self._counters = counters
        self._allowed = NamedShare(excesses, SURVEYS, SURVEY_ANSWERS, keys=SESSIONS, now=now)
        self._waiting: dict[bytes, _Waiting] = {}  # by who asks
        self._seen: tuple[ToldLink, ...] = ()
        self._seen_version = b""
        self._seen_at = -inf

    @property
    def is_waited_for(self) -> bool:
        """Whether `look` is to be called again soon."""
        return bool(self._waiting)

    def take(self, node: bytes, question: LinksAsked, *, now: float) -> None:
        """Takes a question of another node, which takes the place of its last one."""
        self._waiting.pop(node, None)
        if not self._allowed.take(node, now=now):
            self._counters.surveys_refused += 1
        elif not self._tells:
            self._send(node, encode_answer(LinksTold(question.token, is_refused=True)), now=now)
        else:
            self._answer_or_wait(node, question, now=now)

    def look(self, *, now: float) -> None:
        """Answers the questions that have waited long enough, or whose links have changed."""
        links, version = self._see(now=now)
        for node, one in list(self._waiting.items()):
            if now >= one.until or one.question.version != version:
                del self._waiting[node]
                self._answer(node, one.question, links, version, now=now)

    def _answer_or_wait(self, node: bytes, question: LinksAsked, *, now: float) -> None:
        links, version = self._see(now=now) if now >= self._seen_at + SEEN_S else (self._seen, self._seen_version)
        if question.wait_s > 0 and question.version == version and len(self._waiting) < SURVEYS_WAITING:
            self._waiting[node] = _Waiting(question, now + min(question.wait_s, SURVEY_WAIT_S))
        else:
            self._answer(node, question, links, version, now=now)

    def _see(self, *, now: float) -> tuple[tuple[ToldLink, ...], bytes]:
        """Returns the links and their version, which takes some milliseconds where there are many."""
        self._seen = self._links(now=now)
        self._seen_version, self._seen_at = version_of(self._seen), now
        return self._seen, self._seen_version

    def _answer(
        self, node: bytes, question: LinksAsked, links: tuple[ToldLink, ...], version: bytes, *, now: float
    ) -> None:
        part = links[question.first : question.first + LINKS_PER_ANSWER]
        answer = LinksTold(question.token, version, len(links), question.first, part)
        self._counters.surveys_answered += self._send(node, encode_answer(answer), now=now)
