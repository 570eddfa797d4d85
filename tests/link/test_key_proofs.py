"""An end that has the ML-DSA key of the other one proved takes nothing of it before."""

from collections import Counter
from collections.abc import Callable
from math import inf

import pytest

from mycelium.channel.key_proofs import PROVED_WITHIN_S, WANTED_AGAIN_S
from mycelium.channel.proof_causes import not_proved, wrongly_proved
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.crypto.key_proof import KeyProver
from mycelium.crypto.primitives import Primitives
from mycelium.identity import Identity
from mycelium.limits import SharedRate
from mycelium.link.frames import HEAD_BYTES
from mycelium.link.link import LinkState
from mycelium.link.path.path import Path
from mycelium.link.probes import Probes
from mycelium.timing import SharedBucket
from mycelium.wire.datagram import FRAME, SIZE_PROBE, TAG_BYTES
from mycelium.wire.frame import CLOSE_LEAVING, FRAME_HEADER, PROOF
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PARTS, ProofAccepted, ProofPart, ProofWanted, part_range
from mycelium.wire.train import CONGESTED
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.link.lab import DELAY_S, LinkLab, endpoint

PARTS_BYTES = (500, 560)  # of the datagrams that carry a part


def fingerprint(name: str) -> bytes:
    """Returns the fingerprint of an end's ML-DSA key."""
    own = KeyProver(Identity(name.encode() * 32), RepeatablePrimitives()).fingerprint
    assert own is not None
    return own


def is_part(datagram: bytes) -> bool:
    return datagram[0] == FRAME and len(datagram) in range(*PARTS_BYTES)


def lab_of(*wanting: str) -> LinkLab:
    """Returns a lab in which these ends want the other's proof."""
    return LinkLab(wanted={name: fingerprint("ba"["ab".index(name)]) for name in wanting})


@pytest.mark.parametrize("wanting", ["a", "b", "ab"])
def test_a_link_comes_up_once_what_is_wanted_is_proved(wanting: str) -> None:
    lab = lab_of(*wanting)
    took = lab.run(2, until=lambda: all(lab.link(name).state is LinkState.UP for name in "ab"))
    assert took <= 8 * DELAY_S
    for name, other in ("ab", "ba"):
        counters, others = lab.ends[name].counters, lab.ends[other].counters
        assert counters.key_proofs_taken == others.key_proofs_shown == (name in wanting)
        assert lab.told(name).count("proved") == (name in wanting)
    lab.send("a", b"one")
    lab.send("b", b"two")
    lab.run(0.1)
    assert (lab.heard("b"), lab.heard("a")) == ([b"one"], [b"two"])


def test_an_end_that_wants_a_proof_later_goes_on_as_one_whose_own_is_accepted() -> None:
    lab = lab_of("b")
    lab.run(1)
    link = lab.link("a")
    lab.act(link.proofs.want, fingerprint("b"))
    assert not link.proofs.has_proved(fingerprint("b"))
    lab.run(0.1)
    assert link.proofs.has_proved(fingerprint("b"))
    assert link.keypairs.sending.is_settled


def test_where_nobody_wants_a_proof_none_is_shown() -> None:
    lab = LinkLab()
    lab.run(1)
    assert not any(is_part(datagram) for _, _, datagram in lab.sent)
    assert lab.ends["a"].counters.key_proofs_shown == lab.ends["b"].counters.key_proofs_shown == 0


def test_parts_may_be_lost_doubled_and_out_of_order() -> None:
    lab = lab_of("a", "b")
    seen: Counter[str] = Counter()

    def loses(source: str, destination: str, datagram: bytes) -> bool:
        seen[source] += is_part(datagram)
        return is_part(datagram) and seen[source] % 3 == 0

    def delays() -> float:
        delays.turn = (delays.turn + 7) % 5  # type: ignore[attr-defined]
        return delays.turn * 0.01  # type: ignore[attr-defined,no-any-return]

    delays.turn = 0  # type: ignore[attr-defined]
    lab.drop, lab.queue_s = loses, delays
    lab.run(4, until=lambda: all(lab.link(name).state is LinkState.UP for name in "ab"))
    assert all(PROOF_PARTS < seen[name] < 3 * PROOF_PARTS for name in "ab"), "what has arrived is not shown again"


def refused(lab: LinkLab, cause: str) -> None:
    """Checks that a's link has never come up, and ends for a cause."""
    lab.run(PROVED_WITHIN_S + 1)
    assert lab.link("a").proofs.failure == cause
    assert "up" not in lab.told("a")
    lab.send("b", b"data")
    lab.run(0.1)
    assert lab.heard("a") == []


def test_an_end_that_shows_nothing_is_refused() -> None:
    lab = LinkLab(wanted={"a": bytes(16)})
    refused(lab, not_proved(bytes(16)))
    assert lab.ends["b"].counters.key_proofs_shown == 0, "it is shown to who knows the fingerprint"


def test_a_proof_that_comes_too_late_is_none() -> None:
    lab = lab_of("a")
    lab.drop = lambda source, destination, datagram: is_part(datagram)
    refused(lab, not_proved(fingerprint("b")))


class Impostor(RepeatablePrimitives):
    """What somebody signs with who has all of a node's keys but the ML-DSA key."""

    def __init__(self, forge: Callable[[Primitives, bytes], bytes]) -> None:
        self._forge = forge

    def dsa_sign(self, private: object, message: bytes) -> bytes:
        return self._forge(RepeatablePrimitives(), message)


def by_another_key(primitives: Primitives, message: bytes) -> bytes:
    return primitives.dsa_sign(primitives.dsa_keypair(bytes(32))[0], message)


def of_another_handshake(primitives: Primitives, message: bytes) -> bytes:
    """What b has shown elsewhere, to who is in between now."""
    seed = Identity(b"b" * 32).proof_seed
    assert seed is not None
    return primitives.dsa_sign(primitives.dsa_keypair(seed)[0], message[:-1] + bytes((message[-1] ^ 1,)))


@pytest.mark.parametrize("forge", [by_another_key, of_another_handshake])
def test_a_wrong_proof_is_refused_at_once(forge: Callable[[Primitives, bytes], bytes]) -> None:
    lab = lab_of("a")
    lab.ends["b"].prover._primitives = Impostor(forge)
    lab.run(1)
    assert lab.link("a").proofs.failure == wrongly_proved(fingerprint("b"))
    assert lab.ends["a"].counters.key_proofs_refused == 1
    refused(lab, wrongly_proved(fingerprint("b")))


def test_each_end_signs_its_own_role() -> None:
    """What one end has shown is no proof of the other, that has the same key."""
    prover = KeyProver(Identity(b"b" * 32), RepeatablePrimitives())
    assert prover.fingerprint is not None
    proof = prover.prove(b"transcript", is_initiator=True)
    assert prover.proves(proof, prover.fingerprint, b"transcript", is_initiator=True)
    assert not prover.proves(proof, prover.fingerprint, b"transcript", is_initiator=False)


@pytest.mark.parametrize("renewing", ["a", "b"])
@pytest.mark.parametrize("wanting", ["a", "b", "ab"])
def test_new_keys_are_used_once_they_are_proved_and_nothing_is_lost_meanwhile(renewing: str, wanting: str) -> None:
    lab = lab_of(*wanting)
    lab.settle(SIMULTANEOUS_S + 1)
    old = {name: lab.link(name).keypairs.sending for name in "ab"}
    lab.shake_hands(renewing)
    for number in range(60):
        for name in "ab":
            lab.send(name, bytes((number,)))
        lab.run(0.001)
    lab.run(0.1)
    every = [bytes((number,)) for number in range(60)]
    assert sorted(lab.heard("a")) == sorted(lab.heard("b")) == every
    for name in "ab":
        assert lab.link(name).keypairs.sending is not old[name]
        assert lab.told(name).count("keys") == 1


@pytest.mark.parametrize("renewing", ["a", "b"])
@pytest.mark.parametrize("wanting", ["a", "b", "ab"])
def test_data_goes_under_the_old_keys_while_a_part_of_a_proof_is_missing(renewing: str, wanting: str) -> None:
    lab = lab_of(*wanting)
    lab.settle(SIMULTANEOUS_S + 1)
    old = {name: lab.link(name).keypairs.sending for name in "ab"}
    lost: set[str] = set()

    def loses_first(source: str, destination: str, datagram: bytes) -> bool:
        is_first = is_part(datagram) and source not in lost
        if is_first:
            lost.add(source)
        return is_first

    lab.drop = loses_first
    lab.shake_hands(renewing)
    every = [bytes((number,)) for number in range(100)]
    for number in every:
        for name in "ab":
            lab.send(name, number)
        lab.run(0.01)
    assert sorted(lab.heard("a")) == sorted(lab.heard("b")) == every
    assert all(lab.link(name).keypairs.sending is not old[name] for name in "ab")


def test_a_neighbour_that_was_restarted_has_its_frames_counted_anew_while_it_owes_a_proof() -> None:
    lab = lab_of("a")
    lab.settle(1)
    a = lab.link("a")
    for _ in range(100):
        lab.send("a", b"before")
        lab.run(0.001)
    lab.act(lab.link("b").close, CLOSE_LEAVING)
    lab.run(0.1)
    assert a.is_over
    lab.ends["b"].instance = bytes(range(16))
    lab.shake_hands("b")
    lab.run(0.1)
    assert a.state is LinkState.UP
    lab.told("a")
    lab.heard("b")
    for _ in range(20):
        lab.send("a", b"after")
        lab.run(0.1)
    assert lab.heard("b") == [b"after"] * 20
    assert lab.told("a") == []


def test_keys_of_who_can_not_prove_take_nothing_over() -> None:
    """Somebody has computed b's X25519 secret from its public key, and makes a handshake as b."""
    lab = lab_of("a")
    lab.settle(1)
    lab.ends["b"].prover._primitives = Impostor(by_another_key)
    old = lab.link("a").keypairs.sending
    lab.shake_hands("b")
    lab.send("b", b"before")
    lab.run(1)
    lab.send("a", b"secret")
    lab.run(0.1)
    assert lab.link("a").keypairs.sending is old
    assert list(lab.link("a").keypairs.by_index.values()) == [old]
    assert lab.link("a").proofs.failure is None
    assert lab.link("a").state is LinkState.UP
    assert lab.heard("b") == [b"secret"], "which only b opens"


def test_a_link_that_is_up_is_proved_when_its_peer_gets_a_pin_and_ends_if_it_can_not_be() -> None:
    for known, failure in ((fingerprint("b"), None), (bytes(16), not_proved(bytes(16)))):
        lab = LinkLab()
        lab.settle(1)
        lab.act(lab.link("a").proofs.want, known)
        lab.send("b", b"early")
        lab.run(1.5 * DELAY_S)
        assert lab.heard("a") == []
        lab.run(PROVED_WITHIN_S + 1)
        assert lab.link("a").proofs.failure == failure
        lab.act(lab.link("a").proofs.want, known)
        assert lab.link("a").proofs.failure == failure, "an entry more says nothing new"
        lab.act(lab.link("a").proofs.want, None)
        assert lab.link("a").proofs.failure is None
        lab.send("b", b"data")
        lab.run(0.1)
        assert lab.heard("a") == [b"early", b"data"]


def test_data_that_is_under_way_when_a_pin_comes_waits_for_the_proof_and_none_is_lost() -> None:
    lab = LinkLab()
    lab.settle(1)
    every = [bytes((number,)) for number in range(100)]
    for number in every:
        if number == every[20]:
            lab.act(lab.link("a").proofs.want, fingerprint("b"))
        lab.send("b", number)
        lab.run(DELAY_S / 4)
    lab.run(1)
    assert lab.link("a").proofs.has_proved(fingerprint("b"))
    assert lab.heard("a") == every


def test_what_waits_for_a_proof_is_bounded_and_the_rest_is_counted() -> None:
    lab = LinkLab()
    lab.settle(1)
    a = lab.link("a")
    a.proofs._early_bytes = SharedBucket(SharedRate(1, 700, 1, 700), keys=1, now=lab.now)
    unproved = lab.ends["a"].counters.frames_unproved
    lab.act(a.proofs.want, fingerprint("b"))
    lab.send("b", bytes(100))
    lab.send("b", bytes(100))
    lab.run(1)
    assert (lab.heard("a"), lab.ends["a"].counters.frames_unproved) == ([bytes(100)], unproved + 1)


def test_what_waits_for_a_proof_that_nobody_wants_any_more_is_taken_at_once() -> None:
    lab = LinkLab()
    lab.settle(1)
    lab.act(lab.link("a").proofs.want, bytes(16))
    lab.send("b", b"early")
    lab.run(1.5 * DELAY_S)
    assert lab.heard("a") == []
    lab.act(lab.link("a").proofs.want, None)
    lab.run(0.001)
    assert lab.heard("a") == [b"early"]


@pytest.mark.parametrize("is_renewed", [True, False])
def test_what_ends_with_the_keypair_whose_proof_it_waits_for_is_counted(is_renewed: bool) -> None:
    lab = LinkLab()
    lab.settle(1)
    a = lab.link("a")
    lab.act(a.proofs.want, bytes(16))
    lab.send("b", b"one")
    lab.send("b", b"two")
    lab.run(1.5 * DELAY_S)
    unproved = lab.ends["a"].counters.frames_unproved
    if is_renewed:
        a.keypairs.remove(a.keypairs.sending)
    else:
        lab.act(a.end, "over")
    assert (lab.heard("a"), lab.ends["a"].counters.frames_unproved) == ([], unproved + 2)


def test_a_mark_of_a_router_reaches_data_that_has_waited_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = LinkLab()
    lab.settle(1)
    a, b = lab.link("a"), lab.link("b")
    lab.act(a.proofs.want, fingerprint("b"))
    a.keypairs.sending.marked.add(b.keypairs.sending.sealing.counter)
    flags: list[int] = []
    monkeypatch.setattr(
        lab.ends["a"], "_hear", lambda frames: flags.extend(one[FRAME_HEADER.size + 1] for one in frames)
    )
    lab.send("b", b"one")
    lab.run(1)
    assert flags == [CONGESTED]


def test_the_same_proof_is_shown_again_and_not_made_again_and_not_without_end() -> None:
    lab = lab_of("a")
    lab.drop = lambda source, destination, datagram: is_part(datagram)
    made = []
    lab.link("a").proofs.want(fingerprint("b"), now=lab.now)
    lab.run(4)
    made.append(lab.ends["b"].counters.key_proofs_shown)
    shown = sum(is_part(datagram) for _, _, datagram in lab.sent)
    assert made == [1]
    assert PROOF_PARTS < shown <= PROOF_PARTS * 9


def test_who_asks_again_and_again_is_shown_the_proof_once() -> None:
    lab = lab_of("a")
    lab.settle(1)
    a = lab.link("a")
    for _ in range(10):
        lab.act(a.proofs._send, a.keypairs.sending, ProofWanted(fingerprint("b")))
    lab.run(0.1)
    assert sum(is_part(datagram) for _, _, datagram in lab.sent) == PROOF_PARTS


@pytest.mark.parametrize(("number", "is_answered"), [(0, False), (PROOF_PARTS - 1, True)])
def test_the_last_part_of_a_proof_that_is_not_awaited_is_accepted(number: int, is_answered: bool) -> None:
    lab = lab_of("a")
    lab.settle(1)
    b = lab.link("b")
    b.keypairs.sending.accepted_by = lab.now + PROVED_WITHIN_S
    part = ProofPart(number, bytes(len(range(PROOF_BYTES)[part_range(number)])))
    lab.act(b.proofs._send, b.keypairs.sending, part)
    lab.run(0.1)
    assert b.keypairs.sending.is_settled == is_answered


def test_a_size_probe_has_no_answer_before_the_proof() -> None:
    lab = LinkLab(wanted={"a": bytes(16)})
    lab.settle(0.1)
    b = lab.link("b")
    lab.act(b._probes.ask_size, b.paths.active, 1_300)
    lab.run(0.1)
    assert SIZE_PROBE in [datagram[0] for source, _, datagram in lab.sent if source == "b"]
    assert lab.ends["a"].counters.mtu_probes_answered == 0


def test_signatures_are_not_made_beyond_the_budget() -> None:
    lab = LinkLab(cuts={("a", "b")}, wanted={"a": fingerprint("b")})
    lab.run(0.1)
    lab.mend()
    lab.run(0.3)  # message 3 has come again, and the proof is not yet wanted again
    budget = lab.link("b").proofs._of_all = SharedBucket(
        SharedRate(1, at_once=1, little_per_second=1, little_at_once=1), keys=2, now=lab.now
    )
    assert budget.take(b"another", now=lab.now)
    lab.run(0.5)
    assert lab.ends["b"].counters.key_proofs_over_budget == 1
    assert lab.ends["b"].counters.key_proofs_shown == 0
    lab.run(2, until=lambda: lab.link("a").state is LinkState.UP)


def test_a_neighbour_that_was_restarted_and_wants_no_proof_any_more_is_not_waited_for() -> None:
    lab = lab_of("a")
    lab.settle(1)
    end = lab.ends["a"]
    lab.act(end.link.close, CLOSE_LEAVING)
    lab.run(0.1)
    end._link, end._due_at, end.instance, end.wanted_proof = None, float("inf"), bytes(range(16)), None
    lab.shake_hands("a")
    lab.settle(SIMULTANEOUS_S + 1)
    old = lab.link("b").keypairs.sending
    lab.shake_hands("b")
    lab.run(0.1)
    assert lab.link("b").keypairs.sending is not old


# -- what is sent, and when --------------------------------------------------------------------------------------------


class RecordedProbes(Probes):
    """Takes the place of an end's probes for proofs, and keeps the paths that were to be probed."""

    def __init__(self) -> None:
        self.asked: list[Path] = []

    def ask(self, path: Path, *, now: float) -> None:
        self.asked.append(path)


def recorded(lab: LinkLab, name: str) -> list[Path]:
    """Returns a list of the paths that an end's proofs have probed from now on."""
    lab.link(name).proofs._probes = probes = RecordedProbes()
    return probes.asked


def until_taken(lab: LinkLab) -> None:
    """Runs until a has taken one more proof."""
    counters = lab.ends["a"].counters
    taken = counters.key_proofs_taken
    lab.run(1, until=lambda: counters.key_proofs_taken > taken)


def test_a_proof_is_asked_for_at_once_and_again_only_after_a_while() -> None:
    lab = LinkLab()
    lab.settle(1)
    probed, proofs = recorded(lab, "a"), lab.link("a").proofs
    lab.act(proofs.want, fingerprint("b"))
    assert [source for source, _, _ in lab.sent] == ["a"]
    asked_at, proofs.due_at = lab.now, lab.now
    lab.now = asked_at + 0.9 * WANTED_AGAIN_S
    lab.act(proofs.handle_timeout)  # as for other keys
    assert (len(lab.sent), proofs.due_at) == (1, asked_at + WANTED_AGAIN_S)
    lab.now = proofs.due_at
    lab.act(proofs.handle_timeout)
    assert (len(lab.sent), probed) == (2, [])


def test_only_parts_that_have_not_arrived_are_shown() -> None:
    lab = LinkLab()
    lab.settle(1)
    a = lab.link("a")
    arrived = (1 << PROOF_PARTS) - 1 & ~(1 << 2)
    lab.act(a.proofs._send, a.keypairs.sending, ProofWanted(fingerprint("b"), arrived))
    lab.run(0.1)
    assert sum(is_part(datagram) for _, _, datagram in lab.sent) == 1


def test_who_has_shown_its_proof_waits_until_it_is_accepted_but_not_for_ever() -> None:
    lab = LinkLab()
    lab.settle(1)
    a, b = lab.link("a"), lab.link("b")
    probed, keypair = recorded(lab, "b"), b.keypairs.sending
    lab.act(a.proofs._send, a.keypairs.sending, ProofWanted(fingerprint("b")))
    lab.drop = lambda source, destination, datagram: is_part(datagram)
    lab.run(DELAY_S)
    assert keypair.accepted_by == b.proofs.due_at == pytest.approx(lab.now + PROVED_WITHIN_S)
    lab.run(0.9 * PROVED_WITHIN_S)
    assert (keypair.is_settled, probed) == (False, [])
    lab.run(0.2 * PROVED_WITHIN_S)
    assert (keypair.is_settled, probed, b.proofs.due_at) == (True, [b.paths.active], inf)


def test_an_acceptance_that_nobody_waits_for_has_no_effect() -> None:
    lab = LinkLab()
    lab.settle(1)
    a, probed = lab.link("a"), recorded(lab, "b")
    lab.act(a.proofs._send, a.keypairs.sending, ProofAccepted())
    lab.run(0.1)
    assert probed == []


def test_new_keys_are_used_and_probed_as_soon_as_they_are_proved() -> None:
    lab = lab_of("a")
    lab.settle(SIMULTANEOUS_S + 1)
    a, probed = lab.link("a"), recorded(lab, "a")
    old = a.keypairs.sending
    lab.shake_hands("b")
    until_taken(lab)
    assert a.keypairs.sending is not old
    assert probed == [a.paths.active]


def test_new_keys_are_not_used_before_the_proofs_of_both_ends_are_accepted() -> None:
    lab = lab_of("a", "b")
    lab.settle(SIMULTANEOUS_S + 1)
    keypairs = lab.link("a").keypairs
    old = keypairs.sending
    lab.drop = lambda source, destination, datagram: source == "a" and is_part(datagram)
    lab.shake_hands("b")
    until_taken(lab)
    assert keypairs.sending is old
    lab.drop = lambda source, destination, datagram: False
    lab.run(1, until=lambda: keypairs.sending is not old)


def test_what_is_said_of_proofs_wants_no_acknowledgement() -> None:
    lab = LinkLab()
    lab.settle(1)
    a = lab.link("a")
    assert a.paths.active.liveness.silent_since == inf
    lab.act(a.proofs._send, a.keypairs.sending, ProofAccepted())
    assert a.paths.active.liveness.silent_since == inf


def test_a_frame_under_keys_that_are_not_in_use_acknowledges_nothing_and_is_counted() -> None:
    lab = lab_of("a")
    lab.settle(SIMULTANEOUS_S + 1)
    lab.shake_hands("b")
    lab.run(DELAY_S)
    lab.sent.clear()
    ours, theirs = ([*lab.link(name).keypairs.by_index.values()][-1] for name in "ba")
    path = lab.link("b").paths.active
    before, counter = path.tx_bytes, ours.sealing.counter
    assert ours is not lab.link("b").keypairs.sending
    lab.act(lab.link("b").proofs._send, ours, ProofAccepted())
    [(_, _, datagram)] = lab.sent
    assert path.tx_bytes - before == len(datagram)
    plain = bytearray(len(datagram) - HEAD_BYTES - TAG_BYTES)
    assert theirs.opening.open_into(counter, datagram[HEAD_BYTES:], datagram[:HEAD_BYTES], plain)
    assert FRAME_HEADER.unpack_from(plain) == (PROOF, path.number, 0, 0)


def test_a_neighbour_that_owes_a_proof_has_message_3_and_keeps_its_keys_alive() -> None:
    lab = lab_of("a")
    lab.drop = lambda source, destination, datagram: is_part(datagram)
    keypair, counters = lab.link("a").keypairs.sending, lab.ends["a"].counters
    has_arrived = [keypair.message_3 is None]
    lab.run(1, until=lambda: counters.frames_unproved > 0)
    has_arrived.append(keypair.message_3 is None)
    assert (has_arrived, counters.frames_unproved) == ([False, True], 1)
    assert keypair.last_opened == lab.now > keypair.established


def test_a_chunk_that_comes_twice_is_not_held_where_a_proof_is_owed() -> None:
    lab = lab_of("a")
    lab.settle(SIMULTANEOUS_S + 1)
    lab.drop = lambda source, destination, datagram: is_part(datagram)
    lab.shake_hands("b")
    lab.run(DELAY_S)
    ours, theirs = ([*lab.link(name).keypairs.by_index.values()][-1] for name in "ab")
    lab.link("b").frames.send_under(theirs)
    lab.cut("b", "a")
    lab.sent.clear()
    lab.send("b", bytes(20_000))
    *chunks, last = [datagram for _, _, datagram in lab.sent]
    for burst, size in ((last, len(last)), (b"".join((*chunks, chunks[0])), len(chunks[0]))):
        lab.ends["a"].receive(endpoint("b"), burst, size)
    assert ours.awaited is not None
    assert len(ours.awaited.early) == 1
    assert (ours.reassembly.held_bytes, lab.heard("a")) == (0, [])


def test_frames_before_a_proof_are_not_asked_for_again_once_it_is_taken() -> None:
    lab = lab_of("a")
    lab.settle(SIMULTANEOUS_S + 1)
    old = lab.link("a").keypairs.sending
    lab.shake_hands("b")
    lab.run(1, until=lambda: lab.link("b").keypairs.sending is not old and lab.link("a").keypairs.sending is not old)
    for _ in range(20):
        lab.send("b", b"x")
        lab.run(0.01)
    lab.run(1)
    assert lab.ends["b"].counters.repair_ranges_refused == 0
    assert lab.link("a").keypairs.sending.gaps.is_clean
