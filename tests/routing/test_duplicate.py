"""Two hosts with one key: who finds out, who yields, and what is no such thing."""

from math import inf

import pytest

from mycelium.routing.duplicate import (
    ANSWER_RANGE,
    BEHIND_S,
    LEAST_JUMP,
    Claim,
    DuplicateDetection,
    is_jump_past,
    jump_past,
)
from tests.routing.lab import seq


class Host:
    """An origin as far as duplicates matter: it jumps past what it hears of itself unless it yields."""

    def __init__(self, sequence: int) -> None:
        self.detection = DuplicateDetection()
        self.sequence = 0
        self.issue(sequence)

    @property
    def claim(self) -> Claim | None:
        return self.detection.claim

    def issue(self, sequence: int) -> None:
        self.sequence = sequence
        self.detection.issued(sequence)

    def hear(self, sequence: int, *, now: float) -> None:
        if sequence > self.sequence:
            self.detection.heard(sequence, now=now)
            if self.claim is not Claim.YIELDS:
                self.issue(jump_past(sequence))


def settle(one: Host, other: Host, *, now: float) -> None:
    """Lets two hosts hear each other until neither says anything new."""
    for _ in range(20):
        one.hear(other.sequence, now=now)
        other.hear(one.sequence, now=now)
    assert one.claim is Claim.YIELDS or other.claim is Claim.YIELDS or one.sequence == other.sequence


@pytest.mark.parametrize("first_to_hear", [True, False])
@pytest.mark.parametrize("newer", [seq(1), seq(0, 11), seq(300, 11), seq(0, 5_000_000)])
def test_the_host_of_the_later_start_keeps_the_address(newer: int, first_to_hear: bool) -> None:
    old, new = Host(seq()), Host(newer)
    settle(*(old, new) if first_to_hear else (new, old), now=1.0)
    assert (old.claim, new.claim) == (Claim.YIELDS, Claim.KEEPS)


def test_hosts_of_one_start_differ_from_the_first_increase_on() -> None:
    one, other = Host(seq()), Host(seq())
    settle(one, other, now=1.0)
    one.issue(one.sequence + 1)
    settle(one, other, now=3.0)
    assert (one.claim, other.claim) == (Claim.KEEPS, Claim.YIELDS)


def test_increases_under_way_hide_no_answer() -> None:
    old, new = Host(seq()), Host(seq(0, 11))
    old.hear(new.sequence, now=1.0)
    old.issue(old.sequence + 1)
    new.issue(new.sequence + 1)
    settle(old, new, now=1.2)
    assert (old.claim, new.claim) == (Claim.YIELDS, Claim.KEEPS)


def test_a_third_host_that_starts_later_takes_over() -> None:
    old, new, newest = Host(seq()), Host(seq(0, 11)), Host(seq(0, 12))
    settle(old, new, now=1.0)
    settle(new, newest, now=2.0)
    assert (old.claim, new.claim, newest.claim) == (Claim.YIELDS, Claim.YIELDS, Claim.KEEPS)


def test_our_own_past_is_no_other_host_however_much_of_it_there_is() -> None:
    host = Host(seq(0, 3))
    for past in (seq(7, 50), seq(900, 50), seq(2_000, 50), seq(60_000, 50), seq(0, 51), seq(3, 70)):
        host.hear(past, now=1.0)
        assert host.claim is None
        assert host.sequence > past


def test_recordings_of_a_former_quarrel_are_no_other_host() -> None:
    recordings = [seq(0, 50)]
    for _ in range(10):
        recordings.append(jump_past(recordings[-1]))
    host = Host(seq(0, 3))
    host.hear(recordings[0], now=1.0)
    assert host.sequence == recordings[1]  # what it would have answered: only the newest recording is beyond
    late = Host(seq(0, 3))
    late.hear(recordings[-1], now=1.0)
    for recording in recordings:
        late.hear(recording, now=2.0)
    assert late.claim is None


def test_who_has_yielded_starts_over_and_believes_only_new_answers() -> None:
    old, new = Host(seq()), Host(seq(0, 11))
    settle(old, new, now=1.0)
    for now in (100.0, 1_000.0, 10_000.0):
        old.detection.forget()
        old.hear(new.sequence, now=now)  # the other's last words, which the mesh remembers
        assert (old.claim, new.claim) == (None, Claim.KEEPS)
        settle(old, new, now=now + 1.0)
        assert (old.claim, new.claim) == (Claim.YIELDS, Claim.KEEPS)


def test_an_increase_long_after_a_jump_is_independent_again() -> None:
    one, other = Host(seq()), Host(seq())
    for host in (one, other):
        host.hear(seq(0, 50), now=1.0)  # both lost their state
    assert one.sequence == other.sequence
    one.issue(one.sequence + 1)
    settle(one, other, now=3.0 + BEHIND_S)
    assert (one.claim, other.claim) == (Claim.KEEPS, Claim.YIELDS)


def test_when_the_other_was_last_heard_is_kept() -> None:
    old, new = Host(seq()), Host(seq(0, 11))
    assert new.detection.heard_at == -inf
    settle(old, new, now=7.0)
    assert new.detection.heard_at == 7.0


def test_a_jump_is_told_from_increases() -> None:
    for start in range(seq(), seq(500)):
        assert not any(is_jump_past(start, start + more) for more in range(LEAST_JUMP))
        assert is_jump_past(start, jump_past(start))
        assert is_jump_past(start, jump_past(start) + ANSWER_RANGE - 1)
        assert not is_jump_past(start, jump_past(start) + ANSWER_RANGE)
    assert len({jump_past(start) - start for start in range(1_000)}) > 500
