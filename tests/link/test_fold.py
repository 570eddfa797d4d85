"""What is cut in place comes back, in one piece or from its parts, and whatever is no whole frame is left alone."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycelium.link.fold import (
    FOLDED_CEILING,
    ROW,
    UNFOLDED,
    Folding,
    folded_bytes,
    is_possible,
    place_of,
    shape_of,
    unfolded_shape,
)
from mycelium.wire.datagram import CHUNK, CHUNK_HEAD, CHUNK_OFFSET_MASK, CHUNK_WORD

RECEIVER, COUNTER = 0xA1B2C3D4, 77


def datagrams_of(sealed: bytes, size: int) -> memoryview:
    shape = shape_of(len(sealed), size)
    block = memoryview(bytearray(folded_bytes(shape)))
    block[ROW : ROW + len(sealed)] = sealed
    Folding().fold(block, shape, RECEIVER, COUNTER, 0)
    return block


def unfold(block: memoryview, size: int) -> tuple[int, bytes] | None:
    found = Folding().unfold(block, size, RECEIVER)
    return None if found is None else (found[0], bytes(found[1]))


@given(st.integers(1, 70_000), st.integers(2 * ROW, 9_000), st.integers(0, 1 << 32))
@example(62_000, 1_472, 1)
@example(ROW * 61 * 60, 61 * ROW, 1)
@example(131_088, 576, 1)
@example(5_000, 2 * ROW, 1)
def test_what_is_cut_in_place_comes_back(length: int, size: int, seed: int) -> None:
    sealed = random.Random(seed).randbytes(length)
    shape = shape_of(length, size)
    block = datagrams_of(sealed, size)
    step = size // ROW * ROW
    parts = [block[start : start + step] for start in range(0, len(block), step)]
    heads = [CHUNK_HEAD.unpack_from(part) for part in parts]
    assert [(word >> 24, word & CHUNK_OFFSET_MASK, *rest) for word, *rest in heads] == [
        (CHUNK, index * (step - ROW), RECEIVER, COUNTER, *shape) for index in range(len(parts))
    ]
    for offset in {0, shape[0] - 1, random.Random(seed).randrange(shape[0])}:
        number, within = divmod(offset, step - ROW)
        assert place_of(offset, step - ROW) == number * step + ROW + within
    assert Folding().straighten(memoryview(bytearray(block)), shape) == sealed
    assert Folding().is_run(block, step, RECEIVER)
    assert unfold(block, step) == (COUNTER, sealed)


def test_a_frame_lies_in_the_buffer_it_was_received_in() -> None:
    block = datagrams_of(bytes(range(250)) * 100, 1_472)
    found = Folding().unfold(block, 1_464, RECEIVER)
    assert found is not None
    block[ROW] = 99
    assert found[1][0] == 99


@given(st.integers(0, 43), st.integers(0, ROW - 1), st.integers(1, 255))
def test_a_burst_with_another_head_in_it_is_left_alone(index: int, at: int, change: int) -> None:
    block = datagrams_of(bytes(62_000), 1_472)
    block[index * 1_464 + at] ^= change
    before = bytes(block)
    assert not Folding().is_run(block, 1_464, RECEIVER)
    assert Folding().unfold(block, 1_464, RECEIVER) is None
    assert bytes(block) == before


@pytest.mark.parametrize("cut", [slice(0, 1_464), slice(1_464, None), slice(0, -1_464)])
def test_part_of_a_frame_is_a_run_and_left_alone(cut: slice) -> None:
    part = datagrams_of(bytes(9_000), 1_472)[cut]
    assert Folding().is_run(part, 1_464, RECEIVER)
    assert Folding().unfold(part, 1_464, RECEIVER) is None


def test_no_run_is_what_is_cut_in_other_places_belongs_to_others_or_goes_beyond_its_frame() -> None:
    block, folding = datagrams_of(bytes(9_000), 1_472), Folding()
    for burst, size, receiver in (
        (block[:-1], 1_464, RECEIVER),
        (block, 1_464, RECEIVER + 1),
        (block, 1_440, RECEIVER),
        (block[: 1_464 + 8], 1_464, RECEIVER),  # ends within a head
        (block[: 1_464 + 16], 1_464, RECEIVER),
    ):
        assert not folding.is_run(burst, size, receiver)
        assert folding.unfold(burst, size, receiver) is None
    for offset in (ROW, 1_440 * 7):
        head = CHUNK_HEAD.pack(CHUNK_WORD | offset, RECEIVER, COUNTER, *shape_of(9_000, 1_472))
        assert not folding.is_run(memoryview(head + bytes(1_440)), 1_464, RECEIVER)


def test_a_frame_that_was_cut_again_in_as_many_datagrams_is_left_alone() -> None:
    shape = 2_016, 1_440, 0
    parts = ((0, 1_200), (1_200, 816))
    heads = [CHUNK_HEAD.pack(CHUNK_WORD | offset, RECEIVER, COUNTER, *shape) for offset, _ in parts]
    burst = memoryview(bytearray(b"".join(head + bytes(part[1]) for head, part in zip(heads, parts, strict=True))))
    assert len(burst) == folded_bytes(shape)
    assert not Folding().is_run(burst, 1_224, RECEIVER)
    assert Folding().unfold(burst, 1_224, RECEIVER) is None


def test_what_must_not_be_written_to_is_left_alone() -> None:
    block = memoryview(bytes(datagrams_of(bytes(9_000), 1_472)))
    assert Folding().is_run(block, 1_464, RECEIVER)
    assert Folding().unfold(block, 1_464, RECEIVER) is None


def test_one_folding_serves_frames_of_any_shape_and_receiver() -> None:
    folding = Folding()
    for receiver, size, length in (
        (1, 1_472, 100_000),
        (2, 1_472, 9_000),
        (2, 600, 62_000),
        (2, 600, 9_000),
        (2, 600, 100_000),
        (1, 1_472, 100_000),
    ):
        shape = shape_of(length, size)
        block = memoryview(bytearray(folded_bytes(shape)))
        folding.fold(block, shape, receiver, 5, 0)
        assert CHUNK_HEAD.unpack_from(block)[1] == receiver
        assert folding.is_run(block, size // ROW * ROW, receiver)
        found = folding.unfold(block, size // ROW * ROW, receiver)
        assert found is not None
        assert (found[0], bytes(found[1])) == (5, bytes(length))


def test_a_frame_that_fitted_one_datagram_has_the_shape_of_one() -> None:
    assert unfolded_shape(1_000) == (42 * ROW, UNFOLDED, 8)


def test_impossible_shapes_are_told_from_possible_ones() -> None:
    assert all(is_possible(shape) for shape in ((ROW, ROW, 0), (240, UNFOLDED, ROW - 1)))
    impossible = (
        (0, ROW, 0),
        (ROW + 1, ROW, 0),
        (ROW, ROW - 1, 0),
        (ROW, 0, 0),
        (ROW, ROW, ROW),
        (FOLDED_CEILING + ROW, ROW, 0),
    )
    assert not any(is_possible(shape) for shape in impossible)
