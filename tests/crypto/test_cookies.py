"""The gate in front of handshakes: who is answered, who is asked for a cookie, who hears nothing."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.cookie_secrets import COOKIE_SECRET_PERIOD_S
from mycelium.crypto.cookies import PERIOD_S, Admission, HandshakeGate, add_cookie
from mycelium.crypto.handshake import NO_PSK
from mycelium.errors import HandshakeError
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    HANDSHAKES_PER_SECOND_AND_SUBNET,
    HANDSHAKES_PER_SECOND_WITH_COOKIE,
    MESSAGES_1_REMEMBERED,
)
from mycelium.wire.datagram import COOKIE_BYTES, HANDSHAKE_1_BYTES
from tests.crypto.support import ALICE, BOB, carries, entropy_of, flip, link_initiator, link_responder

PSK = bytes(range(100, 132))
HERE = "192.0.2.1"
ACCEPTED = Admission(accepted=True)
SILENT = Admission(accepted=False)


def new_gate(psk: bytes = NO_PSK, *, seed: int = 9) -> HandshakeGate:
    return HandshakeGate(psk=psk, own_key=BOB.exchange_public_key, entropy=entropy_of(seed))


def plain_message_1(seed: int, *, now: float = 0.0) -> bytes:
    return link_initiator(seed=seed, period=int(now // PERIOD_S)).message_1


def exhaust(gate: HandshakeGate, *, now: float, first_seed: int = 1_000) -> None:
    """Uses up what is answered without a cookie."""
    for seed in range(first_seed, first_seed + HANDSHAKES_PER_SECOND):
        assert gate.admit(plain_message_1(seed, now=now), source="198.51.100.1", now=now) == ACCEPTED


def counted(gate: HandshakeGate) -> dict[str, int]:
    return {name.removeprefix("handshakes_"): count for name, count in asdict(gate.counters).items() if count}


def cookied_message_1(gate: HandshakeGate, source: str | bytes, *, seed: int, now: float) -> bytes:
    """Lets a gate under load ask for a cookie, and returns the message that brings it back."""
    initiator = link_initiator(seed=seed)
    admission = gate.admit(initiator.asking_message_1, source=source, now=now)
    assert admission.cookie is not None
    return initiator.answer_cookie(admission.cookie)


def test_a_message_with_a_valid_mac_is_accepted_once() -> None:
    gate, message_1 = new_gate(), plain_message_1(1)

    assert gate.admit(message_1, source=HERE, now=0.0) == ACCEPTED
    assert gate.admit(message_1, source=HERE, now=0.1) == SILENT
    assert gate.admit(message_1, source="203.0.113.9", now=100.0) == SILENT
    assert counted(gate) == {"accepted": 1, "replayed": 2}


def test_a_private_network_answers_no_stranger() -> None:
    gate = new_gate(PSK)

    assert gate.admit(plain_message_1(1), source=HERE, now=0.0) == SILENT
    assert gate.admit(link_initiator(psk=PSK).message_1, source=HERE, now=0.0) == ACCEPTED
    assert counted(gate) == {"without_mac": 1, "accepted": 1}


def test_a_private_network_under_load_gives_strangers_no_cookie_either() -> None:
    gate = new_gate(PSK)
    for seed in range(HANDSHAKES_PER_SECOND):
        gate.admit(link_initiator(psk=PSK, seed=seed).message_1, source=HERE, now=0.0)

    assert gate.admit(plain_message_1(999), source=HERE, now=0.0) == SILENT


@pytest.mark.parametrize("size", [0, 1, 8, HANDSHAKE_1_BYTES - 1, HANDSHAKE_1_BYTES + 1])
def test_a_message_of_the_wrong_size_draws_no_answer(size: int) -> None:
    gate = new_gate()

    assert gate.admit(plain_message_1(1).ljust(size, b"x")[:size], source=HERE, now=0.0) == SILENT
    assert counted(gate) == {"malformed": 1}


@pytest.mark.parametrize("position", [0, 1])
def test_another_type_or_version_draws_no_answer(position: int) -> None:
    gate = new_gate()

    assert gate.admit(flip(plain_message_1(1), position * 8), source=HERE, now=0.0) == SILENT
    assert counted(gate) == {"malformed": 1}


@pytest.mark.parametrize(("periods", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_message_is_worth_something_for_minutes_only(periods: int, accepted: bool) -> None:
    gate, message_1 = new_gate(PSK), link_initiator(psk=PSK, period=10).message_1
    gate.unix_offset_s = (10 + periods) * PERIOD_S

    assert gate.admit(message_1, source=HERE, now=0.5) == (ACCEPTED if accepted else SILENT)
    assert counted(gate) == {"accepted" if accepted else "without_mac": 1}


def test_a_message_to_the_holder_of_a_key_is_worth_nothing_at_others() -> None:
    pinned = [link_initiator(psk=PSK, pin=identity.exchange_public_key).message_1 for identity in (BOB, ALICE)]

    assert [new_gate(PSK).admit(one, source=HERE, now=0.0) for one in pinned] == [ACCEPTED, SILENT]


def test_who_has_a_wrong_clock_or_a_used_message_is_let_in_by_a_cookie() -> None:
    gate, initiator = new_gate(PSK), link_initiator(psk=PSK)
    gate.unix_offset_s = 1e9
    for source in (HERE, "203.0.113.9"):
        asked = gate.admit(initiator.asking_message_1, source=source, now=0.0)
        assert asked.cookie is not None
        assert gate.admit(initiator.answer_cookie(asked.cookie), source=source, now=0.0) == ACCEPTED
    assert asked.cookie is not None
    assert gate.admit(initiator.answer_cookie(asked.cookie), source=source, now=0.0) == SILENT


def test_a_stranger_can_make_nothing_of_the_cookie_that_a_recording_draws() -> None:
    gate, recorded = new_gate(PSK), link_initiator(psk=PSK).asking_message_1
    cookie = gate.admit(recorded, source=HERE, now=0.0).cookie
    assert cookie is not None
    with pytest.raises(HandshakeError):
        add_cookie(cookie, [recorded], NO_PSK)

    answered = gate.admit(recorded[:-4] + bytes(range(1, 5)), source=HERE, now=0.0)
    assert not answered.accepted


def test_under_load_a_cookie_is_asked_and_its_bearer_completes() -> None:
    gate, initiator, responder = new_gate(), link_initiator(), link_responder()
    exhaust(gate, now=0.0)
    first = initiator.message_1

    asked = gate.admit(first, source=HERE, now=0.0)
    assert asked.cookie is not None
    assert (asked.accepted, len(asked.cookie)) == (False, COOKIE_BYTES)
    second = initiator.answer_cookie(asked.cookie)

    assert gate.admit(second, source=HERE, now=0.1) == ACCEPTED
    assert (first[:-4], first[-4:] != second[-4:]) == (second[:-4], True)
    message_3, ours = initiator.receive_message_2(responder.receive_message_1(second))
    assert carries(ours.sealing, responder.receive_message_3(message_3).opening)
    assert counted(gate) == {"accepted": HANDSHAKES_PER_SECOND + 1, "sent_a_cookie": 1}


def test_a_cookie_is_never_asked_of_someone_who_is_remembered() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)

    assert gate.admit(plain_message_1(1_000), source=HERE, now=0.0) == SILENT


def test_nothing_is_remembered_of_a_message_that_only_drew_a_cookie() -> None:
    gate, message_1 = new_gate(), plain_message_1(1)
    exhaust(gate, now=0.0)

    first = gate.admit(message_1, source=HERE, now=0.0)
    later = gate.admit(message_1, source=HERE, now=10.0)

    assert first.cookie is not None
    assert later == ACCEPTED


def test_the_budget_comes_back_with_time() -> None:
    gate = new_gate()
    exhaust(gate, now=5.0)

    answers = [
        gate.admit(plain_message_1(seed), source=HERE, now=5.0 + 2.5 / HANDSHAKES_PER_SECOND) for seed in (1, 2, 3)
    ]

    assert [answer.accepted for answer in answers] == [True, True, False]


def test_a_cookie_is_good_for_the_address_it_was_given_to_only() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)
    message_1 = cookied_message_1(gate, HERE, seed=1, now=0.0)

    assert gate.admit(message_1, source="192.0.2.2", now=0.0).cookie is not None
    assert gate.admit(message_1, source=HERE, now=0.0) == ACCEPTED


def test_a_cookie_of_somebody_else_is_worth_no_less_than_none() -> None:
    gate, other = new_gate(), new_gate(seed=3)
    exhaust(other, now=0.0)
    initiators = [link_initiator(seed=seed) for seed in (1, 2)]
    cookies = [other.admit(one.message_1, source=HERE, now=0.0).cookie for one in initiators]
    messages = [one.answer_cookie(cookie or b"") for one, cookie in zip(initiators, cookies, strict=True)]

    assert gate.admit(messages[0], source=HERE, now=0.0) == ACCEPTED
    exhaust(gate, now=5.0)
    assert gate.admit(messages[1], source=HERE, now=5.0).cookie is not None


def test_a_cookie_message_is_accepted_once() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)
    message_1 = cookied_message_1(gate, HERE, seed=1, now=0.0)

    assert gate.admit(message_1, source=HERE, now=0.0) == ACCEPTED
    assert gate.admit(message_1, source=HERE, now=0.0) == SILENT


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (1.0, True),
        (COOKIE_SECRET_PERIOD_S, True),
        (2 * COOKIE_SECRET_PERIOD_S - 1, True),
        (2 * COOKIE_SECRET_PERIOD_S, False),
        (1_000_000.0, False),
    ],
)
def test_a_cookie_lives_while_its_secret_is_the_current_or_the_previous_one(age: float, accepted: bool) -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)
    message_1 = cookied_message_1(gate, HERE, seed=1, now=0.0)

    exhaust(gate, now=age, first_seed=2_000)

    assert gate.admit(message_1, source=HERE, now=age).accepted is accepted


def test_a_cookie_dies_two_rotations_on_however_busy_the_gate() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)
    message_1 = cookied_message_1(gate, HERE, seed=1, now=0.0)
    for rotation in (1, 2):
        exhaust(gate, now=rotation * COOKIE_SECRET_PERIOD_S, first_seed=2_000 * rotation)

    assert gate.admit(message_1, source=HERE, now=2 * COOKIE_SECRET_PERIOD_S).cookie is not None


def test_cookies_of_two_gates_differ() -> None:
    answers = []
    for seed in (1, 2):
        gate = new_gate(seed=seed)
        exhaust(gate, now=0.0)
        answers.append(gate.admit(plain_message_1(1), source=HERE, now=0.0).cookie)

    assert answers[0] != answers[1]


def test_a_forged_cookie_is_refused() -> None:
    gate, initiator = new_gate(), link_initiator()
    exhaust(gate, now=0.0)
    answer = gate.admit(initiator.message_1, source=HERE, now=0.0).cookie
    assert answer is not None

    for bit in range(COOKIE_BYTES * 8):
        with pytest.raises(HandshakeError):
            initiator.answer_cookie(flip(answer, bit))
    assert gate.admit(initiator.answer_cookie(answer), source=HERE, now=0.0) == ACCEPTED


def test_a_cookie_for_another_message_or_of_another_network_is_refused() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)
    answer = gate.admit(plain_message_1(1), source=HERE, now=0.0).cookie
    assert answer is not None

    for initiator in (link_initiator(seed=2), link_initiator(seed=1, psk=PSK)):
        with pytest.raises(HandshakeError):
            initiator.answer_cookie(answer)


def subnet_answers(gate: HandshakeGate, sources: list[str | bytes], now: float) -> list[bool]:
    messages = [cookied_message_1(gate, source, seed=seed, now=now) for seed, source in enumerate(sources)]
    return [
        gate.admit(message, source=source, now=now).accepted for message, source in zip(messages, sources, strict=True)
    ]


@pytest.mark.parametrize(
    ("neighbours", "outsider", "times"),
    [
        (["192.0.2.1"] * 90, "192.0.2.2", 1),
        ([f"192.0.2.{n}" for n in range(90)], "192.0.3.1", 2),
        ([f"2001:db8::{n:x}" for n in range(90)], "2001:db8:0:1::1", 1),
        ([f"2001:db8:0:{n:x}::1" for n in range(90)], "2001:db8:0:100::1", 2),
        ([f"2001:db8:0:{n:x}00::1" for n in range(90)], "2001:db8:1::1", 4),
        ([bytes((192, 0, 2, 1))] * 90, bytes((192, 0, 2, 2)), 1),
        (["some pipe"] * 90, "another pipe", 1),
    ],
    ids=["ipv4", "ipv4 /24", "ipv6 /64", "ipv6 /56", "ipv6 /48", "packed", "no address"],
)
def test_one_subnet_cannot_use_up_what_others_need(
    neighbours: list[str | bytes], outsider: str | bytes, times: int
) -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)

    answers = subnet_answers(gate, [*neighbours, outsider], now=0.0)

    assert answers.count(True) == times * HANDSHAKES_PER_SECOND_AND_SUBNET + 1
    assert answers[-1] is True


def test_all_subnets_together_have_a_limit() -> None:
    gate = new_gate()
    exhaust(gate, now=0.0)

    answers = subnet_answers(gate, [f"10.{n}.0.1" for n in range(HANDSHAKES_PER_SECOND_WITH_COOKIE + 5)], now=0.0)

    assert answers == [True] * HANDSHAKES_PER_SECOND_WITH_COOKIE + [False] * 5
    assert gate.counters.handshakes_over_budget == 5


def test_what_a_gate_remembers_is_bounded() -> None:
    gate = new_gate()
    first = plain_message_1(0)
    gate.admit(first, source=HERE, now=0.0)
    for n in range(MESSAGES_1_REMEMBERED + 10):
        gate._remember(n.to_bytes(32, "big"))

    assert len(gate._seen) == MESSAGES_1_REMEMBERED
    assert gate.admit(first, source=HERE, now=1.0) == ACCEPTED


@given(st.binary(max_size=1_300), st.one_of(st.text(max_size=20), st.binary(max_size=20)))
def test_any_bytes_from_anywhere_are_silently_dropped(data: bytes, source: str | bytes) -> None:
    assert new_gate().admit(data, source=source, now=0.0) == SILENT
