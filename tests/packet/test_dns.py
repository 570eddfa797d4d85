"""Queries and responses, checked by another implementation of the DNS."""

import contextlib
import socket

import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import DecodeError
from mycelium.packet.dns import MOST_BYTES, NAME_ERROR, REFUSED, TYPE_AAAA, answer_to, read_question

ADDRESS = socket.inet_pton(socket.AF_INET6, "4fc:47a4::1")


def query(name: str, kind: str = "AAAA", **options: int) -> bytes:
    return dns.message.make_query(name, kind, id=7, **options).to_wire()  # type: ignore[arg-type]


def test_a_question_is_read_in_lower_case_whatever_follows_it() -> None:
    question = read_question(query("Berlin.Corp.MYC", use_edns=0, payload=1_232))
    assert (question.name, question.kind) == ("berlin.corp.myc", TYPE_AAAA)
    assert read_question(query(".", "NS")).name == ""


def test_an_answer_has_the_address_and_what_the_query_said() -> None:
    asked = dns.message.make_query("BeRlin.corp.myc", "AAAA")
    response = dns.message.from_wire(answer_to(read_question(asked.to_wire()), ADDRESS, ttl_s=10))
    assert asked.is_response(response)
    assert response.flags & dns.flags.AA
    [records] = response.answer
    assert (records.ttl, [one.address for one in records]) == (10, ["4fc:47a4::1"])


@pytest.mark.parametrize(("status", "code"), [(NAME_ERROR, dns.rcode.NXDOMAIN), (REFUSED, dns.rcode.REFUSED)])
def test_a_refusal_has_its_status_and_no_answer(status: int, code: int) -> None:
    response = dns.message.from_wire(answer_to(read_question(query("x.myc")), status=status))
    assert (response.rcode(), response.answer) == (code, [])


def test_another_type_of_record_is_none_that_there_is() -> None:
    response = dns.message.from_wire(answer_to(read_question(query("x.myc", "A")), ADDRESS))
    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    assert dns.message.from_wire(answer_to(read_question(query("x.myc", "ANY")), ADDRESS)).answer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        query("x.myc")[:12],
        query("x.myc")[:-1],
        query("x.myc")[:14],
        answer_to(read_question(query("x.myc"))),  # a response
        query("x.myc").replace(b"\x00\x01\x00\x00", b"\x00\x02\x00\x00", 1),  # two questions
        dns.message.make_query("x.myc", "AAAA", "CH", id=7).to_wire(),
        query("x.myc")[:12] + b"\xc0\x0c\x00\x1c\x00\x01",  # a pointer
        query("x.myc") + bytes(MOST_BYTES),
    ],
)
def test_what_is_no_query_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_question(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_raise_one_error(data: bytes) -> None:
    for whole in (data, query("x.myc")[:12] + data):
        with contextlib.suppress(DecodeError):
            answer_to(read_question(whole), ADDRESS)
