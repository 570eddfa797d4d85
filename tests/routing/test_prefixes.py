"""Who owns an address: the longest announced prefix, the node that had it first, and what the policy allows."""

from ipaddress import IPv6Address, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from mycelium.routing.prefixes import PrefixTable
from mycelium.wire.announcement import Prefix

A, B = b"\x04" + bytes(15), b"\x05" + bytes(15)


def prefix(text: str) -> Prefix:
    network = IPv6Network(text)
    return network.prefixlen, network.network_address.packed


def owner(table: PrefixTable, address: str) -> bytes | None:
    return table.owner_of(IPv6Address(address).packed)


def test_the_longest_prefix_wins_whatever_came_first() -> None:
    for order in ((A, B), (B, A)):
        table = PrefixTable()
        for node in order:
            table.assign(node, [prefix("fd00::/16" if node is A else "fd00:1::/32")])
        assert (owner(table, "fd00:1::9"), owner(table, "fd00:2::9"), owner(table, "fd01::9")) == (B, A, None)


def test_a_newer_set_of_prefixes_replaces_the_older_one() -> None:
    table = PrefixTable()
    table.assign(A, [prefix("fd00::/16"), prefix("fd01::/16")])
    table.assign(A, [prefix("fd01::/16"), prefix("fd02::/16")])
    assert [owner(table, f"fd0{digit}::1") for digit in range(3)] == [None, A, A]
    table.assign(A, [])
    assert (owner(table, "fd01::1"), table._by_length, table._of_node) == (None, {}, {})


def test_the_first_node_keeps_a_prefix_until_it_gives_it_up() -> None:
    table = PrefixTable()
    for node in (A, B):
        table.assign(node, [prefix("fd00::/16")])
    assert owner(table, "fd00::1") == A
    table.assign(A, [prefix("fd00::/16"), prefix("fd01::/16")])
    assert owner(table, "fd00::1") == A
    table.assign(A, [])
    assert owner(table, "fd00::1") == B


def test_bits_beyond_the_length_say_nothing() -> None:
    table = PrefixTable()
    table.assign(A, [(16, IPv6Address("fd00::1234").packed), (16, IPv6Address("fd00::5678").packed)])
    assert owner(table, "fd00:9::1") == A
    table.assign(A, [])
    assert owner(table, "fd00:9::1") is None


ADDRESSES = st.integers(0, 2**128 - 1).map(lambda number: number.to_bytes(16, "big"))
NEAR = st.integers(0, 7).map(lambda low: bytes(15) + bytes((low,)))  # addresses that differ in three bits
PREFIXES = st.lists(st.tuples(st.sampled_from((0, 1, 64, 125, 126, 127, 128)), ADDRESSES | NEAR), max_size=8)


@given(PREFIXES, PREFIXES, ADDRESSES | NEAR)
def test_it_agrees_with_a_search_through_all_prefixes(of_a: list[Prefix], of_b: list[Prefix], address: bytes) -> None:
    table = PrefixTable()
    table.assign(A, of_a)
    table.assign(B, of_b)
    matching = [
        (length, node is A, node)
        for node, prefixes in ((A, of_a), (B, of_b))
        for length, bits in prefixes
        if IPv6Address(address) in IPv6Network((bits, length), strict=False)
    ]
    assert table.owner_of(address) == (max(matching)[2] if matching else None)
