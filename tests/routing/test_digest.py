import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mycelium.routing.digest import digest_of
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.distance import INFINITY, distance

SEQUENCES = st.integers(0, SEQUENCE_LIMIT - 1)
METRICS = st.integers(0, INFINITY)


@given(st.dictionaries(st.binary(min_size=16, max_size=16), st.tuples(SEQUENCES, METRICS), max_size=10))
def test_a_digest_covers_the_documented_bytes_in_any_order(routes: dict[bytes, tuple[int, int]]) -> None:
    documented = b"".join(
        node + sequence.to_bytes(6, "big") + metric.to_bytes(4, "big")
        for node, (sequence, metric) in sorted(routes.items())
    )
    packed = [(node, distance(sequence, metric)) for node, (sequence, metric) in routes.items()]
    assert digest_of(reversed(packed)) == hashlib.blake2b(documented, digest_size=16).digest()
