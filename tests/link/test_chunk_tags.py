from mycelium.crypto.primitives import RealPrimitives
from mycelium.link.chunk_tags import TAGS_PER_BLOCK, ChunkTags
from mycelium.wire.datagram import CHUNK_TAG_BITS, SUITE_CHACHA20_POLY1305


def tags_of(key: bytes) -> ChunkTags:
    return ChunkTags(RealPrimitives().aead(SUITE_CHACHA20_POLY1305, key))


def test_both_ends_have_the_same_tags_in_any_order() -> None:
    ours, theirs = tags_of(bytes(32)), tags_of(bytes(32))
    counters = [1, 2, TAGS_PER_BLOCK - 1, TAGS_PER_BLOCK, 10 * TAGS_PER_BLOCK, (1 << 62) - 1]
    forward = {counter: ours.of(counter) for counter in counters}
    backward = {counter: theirs.of(counter) for counter in reversed(counters)}
    assert forward == backward
    assert all(0 <= tag < 1 << CHUNK_TAG_BITS for tag in forward.values())


def test_tags_differ_by_counter_and_by_key() -> None:
    ours, theirs = tags_of(bytes(32)), tags_of(b"k" * 32)
    counters = range(1, 1_000)
    assert sum(ours.of(counter) == theirs.of(counter) for counter in counters) <= 3
    assert len({ours.of(counter) for counter in counters}) > 900


def test_any_counter_that_a_datagram_can_name_has_a_tag() -> None:
    assert tags_of(bytes(32)).of((1 << 64) - 1) >= 0
