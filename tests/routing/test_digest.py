from hypothesis import given
from hypothesis import strategies as st

from mycelium.routing.digest import change_of, digest_of, growth_of, share_of
from mycelium.wire.announcement import SEQUENCE_LIMIT
from mycelium.wire.control import Digest
from mycelium.wire.distance import INFINITY, distance

NODES = st.binary(min_size=16, max_size=16)
ROUTES = st.tuples(st.integers(0, SEQUENCE_LIMIT - 1), st.integers(0, INFINITY))


@given(st.dictionaries(NODES, ROUTES, max_size=10))
def test_a_digest_covers_the_documented_bytes(routes: dict[bytes, tuple[int, int]]) -> None:
    documented = sum(
        int.from_bytes(node, "big") * int.from_bytes(sequence.to_bytes(6, "big") + metric.to_bytes(4, "big"), "big")
        for node, (sequence, metric) in routes.items()
    )
    total = sum(share_of(node, distance(*route)) for node, route in routes.items())
    assert digest_of(total) == Digest((documented % (1 << 128)).to_bytes(16, "big"), len(routes))


@given(NODES, ROUTES, ROUTES)
def test_a_change_leads_from_one_share_to_the_other(
    node: bytes, before: tuple[int, int], after: tuple[int, int]
) -> None:
    one, other = distance(*before), distance(*after)
    assert share_of(node, one) + change_of(node, one, other) == share_of(node, other)


@given(NODES, ROUTES, ROUTES)
def test_a_route_that_was_retracted_adds_its_whole_share(
    node: bytes, before: tuple[int, int], after: tuple[int, int]
) -> None:
    one, other = distance(*before), distance(*after)
    held = share_of(node, one) if before[1] != INFINITY else 0
    assert held + growth_of(node, one, other) == share_of(node, other)


def test_two_nodes_that_change_places_make_another_digest() -> None:
    near, far = distance(7, 10), distance(7, 11)
    one, other = bytes(15) + b"\x01", bytes(15) + b"\x02"
    assert digest_of(share_of(one, near) + share_of(other, far)) != digest_of(
        share_of(one, far) + share_of(other, near)
    )
