"""Chunks in any order, doubled, mixed and cut anyhow give back the frames, and strangers' bytes cost a bounded amount."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mycelium.limits import PARTIAL_BYTES_PER_KEYPAIR, PARTIAL_BYTES_PER_NODE, PARTIAL_FRAMES_PER_KEYPAIR
from mycelium.link import reassembly
from mycelium.link.counters import LinkCounters
from mycelium.link.fold import FOLDED_CEILING, ROW, UNFOLDED, Folding, Shape, folded_bytes, shape_of
from mycelium.link.reassembly import PartialBudget, Reassembly
from mycelium.packet.ipv6 import Buffer
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_WORD, FRAME_HEAD, FRAME_WORD
from tests.support.examples import examples

RECEIVER = 0xA1B2C3D4
SEGMENT = 1_464
PAYLOAD = SEGMENT - CHUNK_HEAD.size


def no_tag(counter: int) -> int:
    """Returns the tag of all chunks of these tests."""
    return 0


def test_burst_of_one_whole_frame_gives_the_frame() -> None:
    sealed = sealed_frame(1, 62_000)
    inbox = make_reassembly()

    assert inbox.add_burst(burst_of(chunks(7, sealed)), SEGMENT) == ([(7, sealed)], [])
    assert inbox.held_bytes == 0


def test_frame_whose_last_chunk_is_full_is_whole() -> None:
    sealed = sealed_frame(2, 3 * PAYLOAD)

    assert make_reassembly().add_burst(burst_of(chunks(7, sealed)), SEGMENT) == ([(7, sealed)], [])


def test_frame_split_over_bursts_that_share_a_burst_with_its_neighbours() -> None:
    first, second = sealed_frame(3, 20 * PAYLOAD), sealed_frame(4, 15 * PAYLOAD + 5)
    datagrams = chunks(1, first) + chunks(2, second)
    inbox = make_reassembly()

    assert inbox.add_burst(burst_of(datagrams[:13]), SEGMENT) == ([], [])
    assert inbox.add_burst(burst_of(datagrams[13:30]), SEGMENT) == ([(1, first)], [])
    assert inbox.add_burst(burst_of(datagrams[30:]), SEGMENT) == ([(2, second)], [])
    assert inbox.held_bytes == 0


def test_a_frame_that_is_one_burst_lies_in_it_and_parts_are_copied() -> None:
    sealed = sealed_frame(5, 5_000)
    buffer = bytearray(b"".join(chunks(1, sealed)))
    at_once, _ = make_reassembly().add_burst(memoryview(bytearray(buffer)), SEGMENT)
    assert at_once == [(1, sealed)]
    assert isinstance(at_once[0][1], memoryview)

    inbox = make_reassembly()
    inbox.add_burst(memoryview(buffer)[:SEGMENT], SEGMENT)
    buffer[:SEGMENT] = bytes(SEGMENT)
    assert inbox.add_burst(memoryview(buffer)[SEGMENT:], SEGMENT) == ([(1, sealed)], [])


def test_what_had_come_already_counts_once_though_it_comes_again_behind_what_was_missing() -> None:
    sent = chunks(1, sealed_frame(5, 8_000))
    once, again = make_reassembly(), make_reassembly()
    for inbox, late in ((once, sent[1:2]), (again, sent[1:3])):
        inbox.add_burst(burst_of(sent[2:3]), SEGMENT)
        inbox.add_burst(burst_of(late), SEGMENT)
    assert [inbox._partial[1].held for inbox in (once, again)] == [2 * PAYLOAD] * 2


def test_a_whole_frame_among_others_chunks_lies_where_it_came() -> None:
    first, second = sealed_frame(5, 5_000), sealed_frame(6, 6_000)
    lost, *rest = chunks(1, first)
    inbox = make_reassembly()
    inbox.add_burst(burst_of(rest), SEGMENT)
    inbox.add_burst(burst_of(chunks(2, second)[:2]), SEGMENT)
    buffer = bytearray(b"".join([lost, *chunks(2, second)]))
    frames, odd = inbox.add_burst(memoryview(buffer), SEGMENT)
    assert (frames, odd) == ([(1, first), (2, second)], [])
    assert [sealed.obj is buffer for _, sealed in frames] == [False, True]
    assert inbox.held_bytes == 0


def test_a_frame_that_comes_whole_after_a_part_of_it_holds_nothing() -> None:
    sealed = sealed_frame(5, 5_000)
    inbox = make_reassembly()
    inbox.add_burst(burst_of(chunks(1, sealed)[:2]), SEGMENT)
    assert inbox.add_burst(memoryview(bytearray(b"".join(chunks(1, sealed)))), SEGMENT) == ([(1, sealed)], [])
    assert inbox.held_bytes == 0


def test_a_whole_frame_longer_than_any_may_be_is_refused() -> None:
    inbox = make_reassembly()
    burst = memoryview(bytearray(b"".join(chunks(1, bytes(FOLDED_CEILING + ROW)))))
    assert inbox.add_burst(burst, SEGMENT) == ([], [])
    assert inbox.counters.chunks_refused == len(burst) // SEGMENT + 1


def test_datagrams_that_are_no_chunks_of_ours_are_handed_back() -> None:
    sealed = sealed_frame(6, 2 * PAYLOAD)
    ours = chunks(1, sealed)
    stranger = chunks(1, sealed, receiver=RECEIVER + 1)[0]
    lone_frame = FRAME_HEAD.pack(FRAME_WORD, RECEIVER, 9) + bytes(SEGMENT - FRAME_HEAD.size)
    stub = b"\x15\x00"

    frames, odd = make_reassembly().add_burst(burst_of([ours[0], stranger, lone_frame, ours[1], stub]), SEGMENT)

    assert frames == [(1, sealed)]
    assert [bytes(datagram) for datagram in odd] == [stranger, lone_frame, stub]


def test_bursts_too_small_for_a_head_are_handed_back() -> None:
    inbox = make_reassembly()

    assert inbox.add_burst(memoryview(b""), 1_452) == ([], [])
    frames, odd = inbox.add_burst(memoryview(b"abcde"), 2)
    assert (frames, [bytes(datagram) for datagram in odd]) == ([], [b"ab", b"cd", b"e"])


def test_chunk_of_an_opened_frame_allocates_nothing() -> None:
    budget = PartialBudget()
    inbox = Reassembly(RECEIVER, lambda counter: counter > 100, no_tag, budget, LinkCounters())

    assert inbox.add_burst(burst_of(chunks(100, sealed_frame(7, 9_000))[:3]), SEGMENT) == ([], [])
    assert (inbox.held_bytes, budget.held_bytes, inbox.counters.chunks_refused) == (0, 0, 3)


@pytest.mark.parametrize(
    ("offset", "total"),
    [(0, FOLDED_CEILING + ROW), (1_008, 1_008 + PAYLOAD - ROW), (0xFF_FFFF, 0xFFFF_FFFF), (0, 0)],
    ids=["frame too long", "chunk beyond the end", "offset beyond all", "empty frame"],
)
def test_impossible_chunk_is_refused(offset: int, total: int) -> None:
    inbox = make_reassembly()
    datagram = CHUNK_HEAD.pack(CHUNK_WORD | offset, RECEIVER, 1, total, PAYLOAD, 0) + bytes(PAYLOAD)

    assert inbox.add_burst(memoryview(datagram), SEGMENT) == ([], [])
    assert (inbox.held_bytes, inbox.counters.chunks_refused) == (0, 1)


def test_chunk_that_disagrees_about_the_shape_leaves_the_frame_alone() -> None:
    sealed = sealed_frame(8, 4_000)
    datagrams = chunks(1, sealed)
    total, room, pad = shape_of(4_000, SEGMENT)
    liar = CHUNK_HEAD.pack(CHUNK_WORD, RECEIVER, 1, total, room, pad + 1) + bytes(PAYLOAD)
    inbox = make_reassembly()

    inbox.add_burst(burst_of(datagrams[:2]), SEGMENT)
    inbox.add_burst(memoryview(liar), SEGMENT)

    assert inbox.counters.chunks_refused == 1
    assert inbox.add_burst(memoryview(datagrams[2]), len(datagrams[2])) == ([(1, sealed)], [])


def test_oldest_partial_frame_gives_way_to_the_newest() -> None:
    inbox = make_reassembly()
    frames = {counter: sealed_frame(counter, 2_000) for counter in range(1, PARTIAL_FRAMES_PER_KEYPAIR + 2)}

    for counter, sealed in frames.items():
        inbox.add_burst(memoryview(chunks(counter, sealed)[0]), SEGMENT)

    assert inbox.counters.frames_incomplete == 1
    for counter in (2, 1):
        last = chunks(counter, frames[counter])[1]
        completed = [(counter, frames[counter])] if counter == 2 else []
        assert inbox.add_burst(memoryview(last), len(last)) == (completed, [])


def test_what_came_twice_of_a_frame_can_be_forgotten() -> None:
    budget = PartialBudget()
    inbox = Reassembly(RECEIVER, lambda counter: True, no_tag, budget, LinkCounters())
    chunk = CHUNK_HEAD.pack(CHUNK_WORD, RECEIVER, 5, 3_000, UNFOLDED, 0) + bytes(1_000)
    inbox.add_burst(memoryview(chunk), len(chunk))
    assert list(inbox.started()) == [5]
    assert inbox.missing(5) == [(1_000, 3_000)]
    inbox.forget(5)
    inbox.forget(6)
    assert list(inbox.started()) == []
    assert budget.held_bytes == inbox.held_bytes == inbox.counters.frames_incomplete == 0


def test_what_a_session_holds_is_bounded_however_small_the_chunks() -> None:
    inbox = make_reassembly()
    head = CHUNK_HEAD.pack
    for counter in range(1, 20):
        rest = RECEIVER, counter, 120_000, UNFOLDED, 0
        forged = [head(CHUNK_WORD | offset, *rest) + b"x" for offset in range(0, 20_000, 2)]
        for at in range(0, len(forged), 1_000):
            inbox.add_burst(burst_of(forged[at : at + 1_000]), CHUNK_HEAD.size + 1)
            assert inbox.held_bytes <= PARTIAL_BYTES_PER_KEYPAIR

    assert inbox.counters.frames_incomplete > 0


def test_what_a_node_holds_is_bounded_and_the_oldest_session_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "PARTIAL_BYTES_PER_NODE", 36_000)
    assert PARTIAL_BYTES_PER_NODE > 36_000
    budget = PartialBudget()
    sessions = [make_reassembly(budget) for _ in range(10)]
    for session in sessions:
        session.add_burst(burst_of(chunks(1, sealed_frame(1, 8_000))[:3]), SEGMENT)
        assert budget.held_bytes <= 36_000

    assert [session.counters.frames_incomplete for session in sessions] == [1] * 6 + [0] * 4
    assert budget.held_bytes == sum(session.held_bytes for session in sessions)
    for session in sessions:
        session.close()
    assert budget.held_bytes == 0


def test_partial_frame_is_gone_at_the_second_sweep() -> None:
    budget = PartialBudget()
    inbox = make_reassembly(budget)
    datagrams = chunks(1, sealed_frame(9, 4_000))
    inbox.add_burst(memoryview(datagrams[0]), SEGMENT)

    inbox.sweep()
    assert inbox.held_bytes > 0
    inbox.sweep()
    assert (inbox.held_bytes, budget.held_bytes, inbox.counters.frames_incomplete) == (0, 0, 1)


@settings(max_examples=examples(150), deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20_000), min_size=1, max_size=3),
    sizes=st.lists(st.sampled_from([1_000, 1_212, 1_432, 3_000, 65_000]), min_size=1, max_size=3),
    folded_for=st.integers(2 * ROW, 9_000),
    doubled=st.integers(0, 20),
    seed=st.integers(0, 2**32),
)
def test_any_order_doubling_and_mix_of_chunk_sizes_gives_the_frames(
    lengths: list[int], sizes: list[int], folded_for: int, doubled: int, seed: int
) -> None:
    rng = random.Random(seed)
    frames = {counter: sealed_frame(counter, length) for counter, length in enumerate(lengths)}
    datagrams = [
        datagram
        for counter, sealed in frames.items()
        for size in sizes
        for datagram in chunks(counter, sealed, payload=size, folded_for=folded_for)
    ]
    datagrams += rng.choices(datagrams, k=doubled)
    rng.shuffle(datagrams)
    opened: dict[int, bytes | memoryview] = {}
    inbox = Reassembly(RECEIVER, lambda counter: counter not in opened, no_tag, PartialBudget(), LinkCounters())

    for burst, segment_size in bursts_of_equal_size(datagrams, rng):
        completed, odd = inbox.add_burst(burst, segment_size)
        assert odd == []
        for counter, sealed in completed:
            assert sealed == frames[counter]
            opened[counter] = sealed

    assert opened == frames


@given(
    st.lists(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"\x15\0\0" + rest)), st.integers(1, 80)
)
def test_garbage_never_raises_and_is_never_lost_from_sight(blobs: list[bytes], segment_size: int) -> None:
    burst = memoryview(b"".join(blobs))
    inbox = Reassembly(0, lambda _: True, no_tag, PartialBudget(), LinkCounters())

    _, odd = inbox.add_burst(burst, segment_size)

    assert sum(map(len, odd)) <= len(burst)
    assert inbox.held_bytes <= len(burst) * 1_000


def make_reassembly(budget: PartialBudget | None = None) -> Reassembly:
    return Reassembly(RECEIVER, lambda _: True, no_tag, budget or PartialBudget(), LinkCounters())


def sealed_frame(seed: int, length: int) -> memoryview:
    return memoryview(random.Random(seed).randbytes(length))


def chunks(
    counter: int, sealed: Buffer, *, receiver: int = RECEIVER, payload: int = PAYLOAD, folded_for: int = SEGMENT
) -> list[bytes]:
    body, shape = folded(sealed, folded_for)
    return [
        CHUNK_HEAD.pack(CHUNK_WORD | at, receiver, counter, *shape) + body[at : at + payload]
        for at in range(0, len(body), payload)
    ]


def folded(sealed: Buffer, size: int) -> tuple[bytes, Shape]:
    shape = shape_of(len(sealed), size)
    block = memoryview(bytearray(folded_bytes(shape)))
    block[ROW : ROW + len(sealed)] = sealed
    Folding().fold(block, shape, RECEIVER, 0, 0)
    step = shape[1] + ROW
    return b"".join(block[at + ROW : at + step] for at in range(0, len(block), step)), shape


def burst_of(datagrams: list[bytes]) -> memoryview:
    assert len({len(datagram) for datagram in datagrams[:-1]}) <= 1
    return memoryview(b"".join(datagrams))


def bursts_of_equal_size(datagrams: list[bytes], rng: random.Random) -> list[tuple[memoryview, int]]:
    """Runs of one size, each ended at the latest by a shorter datagram, as the kernel's GRO makes them."""
    bursts: list[list[bytes]] = []
    for datagram in datagrams:
        current = bursts[-1] if bursts else None
        can_join = (
            current is not None
            and len(current[-1]) == len(current[0]) >= len(datagram)
            and len(current) < 44
            and rng.random() < 0.9
        )
        if current is not None and can_join:
            current.append(datagram)
        else:
            bursts.append([datagram])
    return [(memoryview(b"".join(burst)), len(burst[0])) for burst in bursts]
