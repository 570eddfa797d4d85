"""Sealing and opening keys: counters, limits, and that nothing forged leaves a trace."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from mycelium.crypto.keys import LAST_BLOCK, REKEY_BLOCKS, OpeningKey, SealingKey
from mycelium.errors import LocalError
from mycelium.limits import REPLAY_WINDOW
from tests.crypto.support import flip

KEY = bytes(range(32))


def seal(key: SealingKey, plaintext: bytes = b"hello", aad: bytes = b"header") -> bytes:
    out = bytearray(len(plaintext) + 16)
    key.seal_into(key.counter, plaintext, aad, out)
    return bytes(out)


def opens(key: OpeningKey, counter: int, sealed: bytes, aad: bytes = b"header") -> bool:
    return key.open_into(counter, sealed, aad, bytearray(max(0, len(sealed) - 16)))


def test_the_nonce_is_four_zeros_and_the_counter() -> None:
    sealing = SealingKey(AESGCM(KEY))
    sealing.counter = 0x0102030405060708

    sealed = seal(sealing)

    assert sealed == AESGCM(KEY).encrypt(bytes(4) + bytes(range(1, 9)), b"hello", b"header")


def test_counters_start_at_one_and_go_up() -> None:
    sealing, opening = SealingKey(AESGCM(KEY)), OpeningKey(AESGCM(KEY))

    assert opening.newest == 0
    assert [opens(opening, counter, seal(sealing)) for counter in (1, 2, 3)] == [True, True, True]
    assert (sealing.counter, opening.opened, opening.newest) == (4, 3, 3)


def test_views_into_larger_buffers_are_sealed_and_opened_in_place() -> None:
    sealing, opening = SealingKey(AESGCM(KEY)), OpeningKey(AESGCM(KEY))
    buffer = memoryview(bytearray(100))
    buffer[20:25] = b"hello"

    sealing.seal_into(1, buffer[20:25], buffer[:16], buffer[50:71])

    assert opening.open_into(1, buffer[50:71], buffer[:16], buffer[80:85])
    assert bytes(buffer[80:85]) == b"hello"


@pytest.mark.parametrize("counter", [0, 1, 4])
def test_a_counter_that_was_used_never_seals_again(counter: int) -> None:
    sealing = SealingKey(AESGCM(KEY))
    sealing.counter = 5
    out = bytearray(16)

    with pytest.raises(LocalError, match="twice"):
        sealing.seal_into(counter, b"", b"", out)

    assert (out, sealing.counter, sealing.blocks) == (bytearray(16), 5, 0)


@pytest.mark.parametrize(("size", "blocks"), [(0, 1), (1, 2), (16, 2), (17, 3), (65_536, 4_097)])
def test_blocks_count_the_plaintext_and_the_tag(size: int, blocks: int) -> None:
    sealing = SealingKey(AESGCM(KEY))

    seal(sealing, bytes(size))

    assert sealing.blocks == blocks


def test_new_keys_are_due_at_two_to_the_32_blocks() -> None:
    sealing = SealingKey(AESGCM(KEY))
    sealing.blocks = REKEY_BLOCKS - 2

    before = sealing.should_rekey
    seal(sealing)

    assert (before, sealing.should_rekey) == (False, True)


def test_nothing_is_sealed_beyond_the_last_block() -> None:
    sealing = SealingKey(AESGCM(KEY))
    sealing.blocks = LAST_BLOCK - 3
    seal(sealing)

    with pytest.raises(LocalError, match="worn out"):
        seal(sealing)

    assert (sealing.counter, sealing.blocks) == (2, LAST_BLOCK - 1)


def test_a_frame_opens_once() -> None:
    sealed = seal(SealingKey(AESGCM(KEY)))
    opening = OpeningKey(AESGCM(KEY))

    assert [opens(opening, 1, sealed), opens(opening, 1, sealed)] == [True, False]
    assert opening.opened == 1


def test_a_frame_that_falls_behind_the_window_does_not_open() -> None:
    sealing, opening = SealingKey(AESGCM(KEY)), OpeningKey(AESGCM(KEY))
    first, second = seal(sealing), seal(sealing)
    sealing.counter = REPLAY_WINDOW + 1
    newest = seal(sealing)

    results = [
        opens(opening, counter, sealed) for counter, sealed in ((REPLAY_WINDOW + 1, newest), (1, first), (2, second))
    ]

    assert results == [True, False, True]


@given(st.integers(0, 21 * 8 - 1))
def test_a_flipped_bit_does_not_open_and_leaves_the_real_frame_openable(bit: int) -> None:
    sealed = seal(SealingKey(AESGCM(KEY)))
    opening = OpeningKey(AESGCM(KEY))

    assert not opens(opening, 1, flip(sealed, bit))
    assert (opening.opened, opening.newest) == (0, 0)
    assert opens(opening, 1, sealed)


@pytest.mark.parametrize(("counter", "aad"), [(2, b"header"), (2**64 - 1, b"header"), (1, b"headex"), (1, b"")])
def test_another_counter_or_header_does_not_open_and_moves_no_window(counter: int, aad: bytes) -> None:
    sealed = seal(SealingKey(AESGCM(KEY)))
    opening = OpeningKey(AESGCM(KEY))

    assert not opens(opening, counter, sealed, aad)
    assert (opening.opened, opening.newest) == (0, 0)
    assert opens(opening, 1, sealed)


@given(st.integers(0, 2**64 - 1), st.binary(max_size=80))
def test_any_bytes_are_a_plain_no(counter: int, sealed: bytes) -> None:
    assert not opens(OpeningKey(AESGCM(KEY)), counter, sealed)


def test_what_another_key_seals_takes_a_counter_that_seals_nothing_and_counts_as_sealed() -> None:
    sealing = SealingKey(AESGCM(KEY))
    assert [sealing.skip(size) for size in (0, 1, 16, 17)] == [1, 2, 3, 4]
    assert (sealing.counter, sealing.blocks) == (5, 1 + 2 + 2 + 3)
    with pytest.raises(LocalError, match="twice"):
        sealing.seal_into(4, b"", b"", bytearray(16))


def test_what_another_key_has_opened_is_noted_once_among_what_this_one_opens() -> None:
    sealing, opening = SealingKey(AESGCM(KEY)), OpeningKey(AESGCM(KEY))
    first = seal(sealing)
    assert [opening.note(counter) for counter in (3, 3, 2, 4, 2)] == [True, False, True, True, False]
    assert opens(opening, 1, first)
    assert (opening.opened, opening.newest) == (4, 4)
    assert opening.note(REPLAY_WINDOW + 9)
    assert not opening.note(9)
