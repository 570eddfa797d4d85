"""Two ends of a channel prove ML-DSA keys to each other, whatever is lost, doubled or out of order on the way."""

import random
from collections.abc import Callable, Collection
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.channel.key_proofs import PROVED_WITHIN_S, WANTED_AGAIN_S, KeyProofCounters, KeyProofs
from mycelium.channel.keypair import Keypair
from mycelium.channel.proof_causes import not_proved, wrongly_proved
from mycelium.crypto.key_proof import KeyProver
from mycelium.identity import Identity
from mycelium.limits import KEY_PROOFS_OF_ALL, UNPROVED_BYTES_OF_ALL, SharedRate
from mycelium.timing import SharedBucket
from mycelium.wire.key_proof import PROOF_PARTS, KeyProofItem, ProofAccepted, ProofPart, ProofWanted, part_range
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.channel.support import agreed_keys

STEP_S = 0.05


def prover(name: str) -> KeyProver:
    return KeyProver(Identity(name.encode() * 32), RepeatablePrimitives())


class ProvingEnd(KeyProofs[Keypair]):
    """One end with one keypair: what it has sent, whether it may seal under the keypair, and why it was refused."""

    def __init__(self, name: str, wanted: bytes | None, *, budget: SharedBucket[bytes] | None = None) -> None:
        self.counters = KeyProofCounters()
        of_all = SharedBucket[bytes](KEY_PROOFS_OF_ALL, keys=8, now=0.0) if budget is None else budget
        early = SharedBucket[bytes](UNPROVED_BYTES_OF_ALL, keys=8, now=0.0)
        super().__init__(prover(name), of_all, early, self.counters, b"other", wanted)
        self.keypair = Keypair(agreed_keys(is_initiator=name == "a"), now=0.0)
        self.keypair.transcript = b"of this handshake"
        self.sent: list[KeyProofItem] = []
        self.passed = 0
        self.early: list[memoryview] = []
        self.refused: list[str] = []

    def _keypairs(self) -> Collection[Keypair]:
        return [] if self.refused else [self.keypair]

    def _send(self, keypair: Keypair, item: KeyProofItem, *, now: float) -> None:
        self.sent.append(item)

    def _passes(self, keypair: Keypair, *, now: float) -> None:
        self.passed += 1

    def _take_early(self, early: list[memoryview]) -> None:
        self.early += early

    def _refuse(self, keypair: Keypair, cause: str, *, now: float) -> None:
        self.refused.append(cause)

    def drain(self) -> list[KeyProofItem]:
        sent, self.sent = self.sent, []
        return sent


def run(ends: list[ProvingEnd], until: float, carry: Callable[[list[KeyProofItem]], list[KeyProofItem]]) -> float:
    """Hands items from one end to the other, each after one step; returns when both ends had nothing to wait for."""
    for end in ends:
        end.begin(end.keypair, now=0.0)
    now = 0.0
    while now < until and not all(end.keypair.is_settled or end.refused for end in ends):
        now += STEP_S
        arriving = [carry(end.drain()) for end in ends]
        for end, items in zip(ends, reversed(arriving), strict=True):
            for item in items:
                end.take(end.keypair, item, now=now)
            end.handle_timeout(now=now)
    return now


def ends_of(wanting: str) -> list[ProvingEnd]:
    return [ProvingEnd(name, prover(other).fingerprint if name in wanting else None) for name, other in ("ab", "ba")]


def kept_early(end: ProvingEnd, data: bytes) -> None:
    assert end.keypair.awaited is not None
    assert end.keypair.awaited.keep(data, now=0.0)


@pytest.mark.parametrize("wanted", ["nothing", "its proof"])
def test_data_waits_for_whatever_proof_is_wanted_and_no_longer(wanted: str) -> None:
    end = ProvingEnd("a", bytes(16))
    end.begin(end.keypair, now=0.0)
    kept_early(end, b"one")
    end.want(b"x" * 16, now=0.1)
    kept_early(end, b"two")
    assert end.early == []
    if wanted == "nothing":
        end.want(None, now=0.2)
    else:
        fingerprint = prover("b").fingerprint
        end.want(fingerprint, now=0.2)
        proof = prover("b").prove(end.keypair.transcript, is_initiator=False)
        for number in range(PROOF_PARTS):
            assert end.early == []
            end.take(end.keypair, ProofPart(number, proof[part_range(number)]), now=0.3)
    assert [bytes(one) for one in end.early] == [b"one", b"two"]
    assert end.keypair.awaited is None


@given(seed=st.integers(0, 1 << 32), lost=st.floats(0.0, 0.3), wanting=st.sampled_from(["a", "b", "ab"]))
def test_what_is_wanted_is_proved_over_a_way_that_loses_doubles_and_reorders(
    seed: int, lost: float, wanting: str
) -> None:
    rng = random.Random(seed)

    def carry(items: list[KeyProofItem]) -> list[KeyProofItem]:
        kept = [item for item in items for _ in range(rng.choice((1, 1, 2))) if rng.random() >= lost]
        return rng.sample(kept, len(kept))

    ends = ends_of(wanting)
    run(ends, 2 * PROVED_WITHIN_S, carry)
    for end in ends:
        assert end.refused == []
        assert end.keypair.is_settled
        assert end.due_at == inf
        wants = end.wanted is not None
        assert end.counters.key_proofs_taken == wants
        assert end.counters.key_proofs_shown <= 1


def test_over_a_good_way_both_ends_are_settled_after_two_round_trips() -> None:
    ends = ends_of("ab")
    assert run(ends, 1.0, lambda items: items) <= 4.5 * STEP_S


def test_a_part_that_is_missing_when_the_last_one_comes_is_asked_for_soon() -> None:
    ends, lost = ends_of("a"), [0]

    def carry(items: list[KeyProofItem]) -> list[KeyProofItem]:
        kept = [item for item in items if type(item) is not ProofPart or item.number not in lost]
        if len(kept) < len(items):
            lost.clear()
        return kept

    assert run(ends, 1.0, carry) < WANTED_AGAIN_S
    assert lost == []
    assert ends[0].counters.key_proofs_taken == 1


def test_who_shows_nothing_is_refused_when_the_time_is_over() -> None:
    ends = ends_of("a")
    took = run(ends, 10.0, lambda items: [item for item in items if type(item) is not ProofPart])
    assert ends[0].wanted is not None
    assert ends[0].refused == [not_proved(ends[0].wanted)]
    assert PROVED_WITHIN_S <= took <= PROVED_WITHIN_S + 2 * STEP_S
    assert ends[0].passed == 0


def test_a_part_that_was_changed_makes_a_wrong_proof() -> None:
    ends = ends_of("a")

    def changed(items: list[KeyProofItem]) -> list[KeyProofItem]:
        return [ProofPart(9, bytes(480)) if type(item) is ProofPart and item.number == 9 else item for item in items]

    run(ends, 1.0, changed)
    assert ends[0].wanted is not None
    assert ends[0].refused == [wrongly_proved(ends[0].wanted)]
    assert ends[0].passed == 0


def test_a_proof_is_neither_made_beyond_the_budget_nor_for_who_wants_another_key() -> None:
    budget = SharedBucket[bytes](SharedRate(1, at_once=1, little_per_second=1, little_at_once=1), keys=2, now=0.0)
    end = ProvingEnd("b", None, budget=budget)
    assert end._prover.fingerprint is not None
    end.take(end.keypair, ProofWanted(bytes(16)), now=0.0)
    assert (end.drain(), end.is_asked) == ([], False)
    assert budget.take(b"another", now=0.0)
    end.take(end.keypair, ProofWanted(end._prover.fingerprint), now=0.0)
    assert (end.drain(), end.counters.key_proofs_over_budget) == ([], 1)
    end.take(end.keypair, ProofWanted(end._prover.fingerprint), now=2.0)
    assert len(end.drain()) == PROOF_PARTS
    assert end.keypair.accepted_by == 2.0 + PROVED_WITHIN_S


def test_who_is_asked_for_nothing_answers_the_last_part_alone() -> None:
    end = ProvingEnd("a", None)
    end.take(end.keypair, ProofPart(0, bytes(480)), now=0.0)
    assert end.drain() == []
    end.take(end.keypair, ProofPart(PROOF_PARTS - 1, b""), now=0.0)
    assert end.drain() == [ProofAccepted()]
