"""The links of a node, as it tells them to another one that asks, end to end: items of data trains, which no relay can read.

A question:
    0  1  kind: 1
    1  1  zero
    2  2  seconds for which the answer may wait, while nothing changes
    4  4  number of the first link that is wanted
    8  8  token: random, chosen by who asks
   16  8  version of the links that who asks knows; zeros for none

An answer:
    0  1  kind: 2
    1  1  0 links follow, 1 this node keeps them to itself
    2  2  number of links that there are
    4  4  number of the first link here
    8  8  token of the question
   16  8  version of the links: the same as long as neighbours, states and costs are
   24  …  links of 28 bytes each, in the order of their neighbours' addresses

A link:
    0 16  neighbour
   16  4  cost, in units of 10 us; 0xFFFFFFFF where it is not known
   20  4  round trip, in us; 0xFFFFFFFF where it is not known
   24  2  share of what is sent that is lost, in units of 1/10,000; 0xFFFF where it is not known
   26  1  0 up, 1 suspected to be dead
   27  1  zero
"""

import struct
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

SURVEY_HEAD: Final = struct.Struct("!BBHL8s8s")
TOLD_LINK: Final = struct.Struct("!16sLLHBx")
TOKEN_BYTES: Final = 8
VERSION_BYTES: Final = 8
NO_VERSION: Final = bytes(VERSION_BYTES)
LOSS_UNITS: Final = 10_000  # of a loss of 1

_QUESTION: Final = 1
_ANSWER: Final = 2
_UNKNOWN: Final = 0xFFFF_FFFF
_UNKNOWN_LOSS: Final = 0xFFFF


class ToldLink(Struct, frozen=True, array_like=True):
    """One link, as one of its ends sees it."""

    neighbour: bytes
    cost: int | None  # units of 10 us
    rtt_us: int | None
    loss: int | None  # units of 1/LOSS_UNITS
    is_suspect: bool


class LinksAsked(Struct, frozen=True):
    """A question for the links of a node from number `first` on; the answer may wait while they are of this `version`."""

    token: bytes
    first: int = 0
    version: bytes = NO_VERSION
    wait_s: int = 0


class LinksTold(Struct, frozen=True):
    """The answer: some of `count` links, the first of them with the number `first`."""

    token: bytes
    version: bytes = NO_VERSION
    count: int = 0
    first: int = 0
    links: tuple[ToldLink, ...] = ()
    is_refused: bool = False


def encode_question(question: LinksAsked) -> bytes:
    """Returns the content of an item."""
    return SURVEY_HEAD.pack(_QUESTION, 0, question.wait_s, question.first, question.token, question.version)


def encode_answer(answer: LinksTold) -> bytes:
    """Returns the content of an item."""
    head = SURVEY_HEAD.pack(_ANSWER, answer.is_refused, answer.count, answer.first, answer.token, answer.version)
    return head + encode_links(answer.links)


def encode_links(links: Iterable[ToldLink]) -> bytes:
    """Returns links as they are in an answer."""
    return b"".join(map(_encode_link, links))


def decode_survey(data: bytes | memoryview) -> LinksAsked | LinksTold | None:
    """Returns a question or an answer, None for what is neither; raises DecodeError."""
    if len(data) < SURVEY_HEAD.size:
        raise DecodeError("truncated message of a survey")
    kind, refusal, number, first, token, version = SURVEY_HEAD.unpack_from(data)
    if kind == _QUESTION:
        return LinksAsked(token, first, version, number)
    if kind != _ANSWER:
        return None
    links = data[SURVEY_HEAD.size :]
    if len(links) % TOLD_LINK.size:
        raise DecodeError("a survey's answer ends within a link")
    return LinksTold(token, version, number, first, tuple(map(_decoded, TOLD_LINK.iter_unpack(links))), bool(refusal))


def _encode_link(link: ToldLink) -> bytes:
    loss = _UNKNOWN_LOSS if link.loss is None else min(link.loss, LOSS_UNITS)
    return TOLD_LINK.pack(link.neighbour, _number(link.cost), _number(link.rtt_us), loss, link.is_suspect)


def _number(known: int | None) -> int:
    return _UNKNOWN if known is None else min(known, _UNKNOWN - 1)


def _decoded(fields: tuple[bytes, int, int, int, int]) -> ToldLink:
    neighbour, cost, rtt_us, loss, state = fields
    return ToldLink(
        neighbour,
        None if cost == _UNKNOWN else cost,
        None if rtt_us == _UNKNOWN else rtt_us,
        None if loss == _UNKNOWN_LOSS else min(loss, LOSS_UNITS),
        bool(state),
    )
