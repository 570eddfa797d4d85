"""The table of a node's rules finds what going through all of them finds, and quickly."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from mycelium.policy.port_table import PortTable
from mycelium.policy.rules import PolicyRule, parse_rules

PORTS = st.integers(0, 65_535) | st.sampled_from([0, 1, 22, 23, 65_535])
RANGES = st.lists(st.tuples(PORTS, PORTS).map(sorted), min_size=0, max_size=3)
TEXTS = st.tuples(st.sampled_from(["allow", "deny"]), st.sampled_from(["tcp", "udp", "icmp", "any", "47"]), RANGES).map(
    lambda parts: (
        f"{parts[0]} {parts[1]} {','.join(f'{first}-{last}' for first, last in parts[2])}"
        if parts[1] in ("tcp", "udp")
        else f"{parts[0]} {parts[1]}"
    )
)


def first(rules: Sequence[PolicyRule], protocol: int, port: int) -> PolicyRule | None:
    """Returns the first rule that fits, found one by one."""
    for rule in rules:
        if rule.protocol in (None, protocol) and (
            not rule.ports or any(low <= port <= high for low, high in rule.ports)
        ):
            return rule
    return None


@given(st.lists(TEXTS, max_size=8), st.sampled_from([6, 17, 58, 47, 132]), PORTS)
def test_it_finds_the_first_rule_that_fits(texts: list[str], protocol: int, port: int) -> None:
    rules = parse_rules(texts, {}, has_packets=True)
    assert PortTable(rules).rule(protocol, port) is first(rules, protocol, port)


def test_ends_of_ranges_belong_to_them() -> None:
    rules = parse_rules(["deny tcp 100", "allow tcp 50-150", "deny udp 0-65535"], {}, has_packets=True)
    table = PortTable(rules)
    assert [table.rule(6, port) for port in (49, 50, 99, 100, 101, 150, 151)] == [
        None,
        rules[1],
        rules[1],
        rules[0],
        rules[1],
        rules[1],
        None,
    ]
    assert table.rule(17, 65_535) is rules[2]
