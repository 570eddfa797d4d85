"""The end of a survey that asks: all nodes in turn for their links, the nearest first, while somebody looks at the mesh.

Each answer is followed by a question that waits at the other end for a change, or for its turn to be asked again.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from heapq import nsmallest
from math import inf
from typing import Final, Protocol

from msgspec import Struct

from mycelium.limits import NEIGHBOURS, SURVEY_QUESTIONS_PER_SECOND, SURVEY_WAIT_S, SURVEYED_LINKS, SURVEYED_NODES
from mycelium.survey.teller import MessageSender
from mycelium.timing import TokenBucket
from mycelium.wire.distance import INFINITY
from mycelium.wire.survey import NO_VERSION, TOKEN_BYTES, LinksAsked, LinksTold, ToldLink, encode_question

WANTED_S: Final = 10.0  # for which nodes are asked after the last look at the mesh
NODES_EVERY_S: Final = 1.0  # between looks at which nodes there are
WAIT_S: Final = 5.0  # for which questions wait for a change, at least; as long as all questions take in a large mesh
ANSWER_S: Final = 3.0  # for an answer, beyond what its question may wait
AGAIN_S: Final = 0.5  # from an answer to the next question, unless the one before came earlier than that
KEYS_S: Final = 6.0  # for a session
TRIES: Final = 2  # questions without an answer after which a node counts as silent
SILENT_S: Final = 30.0  # until a silent node, or one that keeps its links to itself, is asked again


class SurveyState(StrEnum):
    """What has become of the questions to a node."""

    WAITING = "waiting"  # for its first answer
    TOLD = "told"
    REFUSED = "refused"  # it keeps its links to itself
    SILENT = "silent"  # it did not answer


class Surveyed(Struct):
    """What is known of one node. `links` is replaced, never changed."""

    state: SurveyState = SurveyState.WAITING
    links: tuple[ToldLink, ...] = ()
    told_at: float | None = None
    version: bytes = NO_VERSION
    due_at: float = -inf  # of a question, or of the answer to one
    asked_for_keys_at: float | None = None
    token: bytes = b""  # of the question under way
    tries: int = 0
    parts: tuple[ToldLink, ...] = ()  # of an answer that is not complete


class Keys(Protocol):
    """Sessions, as far as questions need them."""

    def __call__(self, node: bytes, *, now: float) -> bool:
        """Tells whether there are keys to send under; if not, asks for them."""


class Surveyor:
    """Asks while `want` is called now and then."""

    def __init__(
        self,
        metrics: Callable[[], Iterable[tuple[bytes, int]]],
        routes_version: Callable[[], int],
        *,
        keys: Keys,
        send: MessageSender,
        entropy: Callable[[int], bytes],
        now: float,
    ) -> None:
        self._metrics = metrics
        self._routes_version = routes_version
        self._has_keys = keys
        self._send = send
        self._entropy = entropy
        self._wanted_until = -inf
        self._nodes_at = -inf
        self._seen_version = -1
        self._rate = TokenBucket(SURVEY_QUESTIONS_PER_SECOND, now=now)
        self.nodes: dict[bytes, Surveyed] = {}  # the nearest first

    @property
    def is_wanted(self) -> bool:
        """Whether `look` is to be called again soon."""
        return self._wanted_until > -inf

    def want(self, *, now: float) -> None:
        """Has nodes asked for the next WANTED_S."""
        self._wanted_until = now + WANTED_S

    def look(self, *, now: float) -> None:
        """Asks whom it is time to ask; forgets everything once nobody has looked for a while."""
        if now >= self._wanted_until:
            self._wanted_until = self._nodes_at = -inf
            self._seen_version = -1
            self.nodes = {}
            return
        if now >= self._nodes_at + NODES_EVERY_S and self._seen_version != self._routes_version():
            self._nodes_at, self._seen_version = now, self._routes_version()
            self._find_nodes()
        due = [(one.due_at, node) for node, one in self.nodes.items() if one.due_at <= now]
        for _, node in sorted(due, key=lambda each: each[0]):
            self._go_on(node, self.nodes[node], now=now)

    def take(self, node: bytes, answer: LinksTold, *, now: float) -> None:
        """Takes an answer, unless nobody has asked for it."""
        one = self.nodes.get(node)
        if one is None or not one.token or one.token != answer.token:
            return
        one.token, one.tries = b"", 0
        if answer.is_refused:
            self._settle(one, SurveyState.REFUSED, due_at=now + SILENT_S)
            return
        is_next = answer.first == len(one.parts) and (not one.parts or answer.version == one.version)
        if not is_next:  # the links have changed between two parts
            one.parts, one.version = (), NO_VERSION
            self._ask(node, one, now=now)
            return
        one.parts, one.version = one.parts + answer.links, answer.version
        if answer.links and len(one.parts) < min(answer.count, NEIGHBOURS) and self._has_room():
            self._ask(node, one, now=now)
            return
        was_quiet = one.told_at is not None and now >= one.told_at + AGAIN_S
        links, one.parts, one.told_at = one.parts, (), now
        self._settle(one, SurveyState.TOLD, links=links, due_at=now + AGAIN_S)
        if was_quiet:  # a change is often followed by another one: a link is suspected, then down
            self._go_on(node, one, now=now)

    def _find_nodes(self) -> None:
        near = nsmallest(SURVEYED_NODES + 1, self._metrics(), key=lambda each: each[1])
        nodes = [node for node, metric in near if 0 < metric < INFINITY][:SURVEYED_NODES]
        self.nodes = {node: self.nodes.get(node) or Surveyed() for node in nodes}

    def _go_on(self, node: bytes, one: Surveyed, *, now: float) -> None:
        """Asks a node, or gives up what it was asked."""
        if one.token:
            one.token = b""
            one.tries += 1
            if one.parts:  # of a version that is not known in whole
                one.parts, one.version = (), NO_VERSION
        elif one.asked_for_keys_at is None and not self._rate.take(now=now):
            return
        if one.tries >= TRIES:
            self._give_up(one, now=now)
        elif self._has_keys(node, now=now):
            one.asked_for_keys_at = None
            self._ask(node, one, now=now)
        elif one.asked_for_keys_at is None:
            one.asked_for_keys_at = now
        elif now >= one.asked_for_keys_at + KEYS_S:
            self._give_up(one, now=now)

    def _ask(self, node: bytes, one: Surveyed, *, now: float) -> None:
        one.token = self._entropy(TOKEN_BYTES)
        wait_s = 0 if one.parts or one.version == NO_VERSION else self._wait_s()
        self._send(node, encode_question(LinksAsked(one.token, len(one.parts), one.version, wait_s)), now=now)
        one.due_at = now + wait_s + ANSWER_S

    def _wait_s(self) -> int:
        return int(min(max(WAIT_S, len(self.nodes) / SURVEY_QUESTIONS_PER_SECOND), SURVEY_WAIT_S))

    def _has_room(self) -> bool:
        return sum(len(one.links) for one in self.nodes.values()) < SURVEYED_LINKS

    def _give_up(self, one: Surveyed, *, now: float) -> None:
        one.tries, one.asked_for_keys_at, one.version = 0, None, NO_VERSION
        self._settle(one, SurveyState.SILENT, due_at=now + SILENT_S)

    def _settle(self, one: Surveyed, state: SurveyState, *, links: tuple[ToldLink, ...] = (), due_at: float) -> None:
        one.state, one.links, one.due_at = state, links, due_at
