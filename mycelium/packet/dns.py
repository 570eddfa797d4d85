"""The DNS (RFC 1035) as far as a server of addresses needs it: one question in, one answer out."""

import struct
from typing import Final

from msgspec import Struct

from mycelium.errors import DecodeError

TYPE_AAAA: Final = 28
TYPE_ANY: Final = 255
CLASS_IN: Final = 1
NO_ERROR: Final = 0
NAME_ERROR: Final = 3
REFUSED: Final = 5
MOST_BYTES: Final = 512  # of a message over UDP

_HEADER: Final = struct.Struct("!HHHHHH")
_QUESTION_END: Final = struct.Struct("!HH")
_ANSWER: Final = struct.Struct("!HHHIH16s")  # name, type, class, TTL, length, address
_QR_AND_OPCODE: Final = 0xF800
_RESPONSE: Final = 0x8400  # an authoritative one
_RECURSION_DESIRED: Final = 0x0100
_NAME_OF_QUESTION: Final = 0xC000 | _HEADER.size  # a pointer to the name there
_LONGEST_LABEL: Final = 63


class Question(Struct, frozen=True):
    """What is asked; `name` is in lower case, without the last dot."""

    name: str
    kind: int
    bytes: bytes  # header and question as they came


def read_question(data: bytes) -> Question:
    """Reads a query of one question; raises DecodeError for anything else. What follows the question is passed over."""
    if not _HEADER.size < len(data) <= MOST_BYTES:
        raise DecodeError("no DNS query")
    _, flags, questions, _, _, _ = _HEADER.unpack_from(data)
    if flags & _QR_AND_OPCODE or questions != 1:
        raise DecodeError("not a DNS query of one question")
    labels: list[str] = []
    at = _HEADER.size
    while length := data[at]:
        label = data[at + 1 : at + 1 + length]
        at += 1 + length
        if length > _LONGEST_LABEL or at >= len(data):
            raise DecodeError("the name in a DNS query is damaged")
        labels.append(label.decode("ascii", errors="replace").lower())
    end = at + 1 + _QUESTION_END.size
    if end > len(data):
        raise DecodeError("a DNS query is cut off")
    kind, klass = _QUESTION_END.unpack_from(data, at + 1)
    if klass != CLASS_IN:
        raise DecodeError("a DNS query of another class")
    return Question(".".join(labels), kind, data[:end])


def answer_to(question: Question, address: bytes | None = None, *, status: int = NO_ERROR, ttl_s: int = 0) -> bytes:
    """Returns the response, with an IPv6 address where there is one and it is asked for."""
    number, flags, *_ = _HEADER.unpack_from(question.bytes)
    has_answer = address is not None and question.kind in (TYPE_AAAA, TYPE_ANY)
    header = _HEADER.pack(number, _RESPONSE | flags & _RECURSION_DESIRED | status, 1, has_answer, 0, 0)
    response = header + question.bytes[_HEADER.size :]
    if has_answer:
        response += _ANSWER.pack(_NAME_OF_QUESTION, TYPE_AAAA, CLASS_IN, ttl_s, 16, address)
    return response
