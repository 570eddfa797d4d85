"""Rules: what each way of naming nodes, protocols and ports means, and what is said of a mistake."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from mycelium.identity import Identity
from mycelium.policy.rules import Nodes, PolicyRule, first_of, parse_nodes, parse_rules

BERLIN = Identity(bytes(31) + b"\1")
PARIS = Identity(bytes(31) + b"\2")
NAMES = {"berlin": BERLIN.address}


def rule(text: str, *, has_packets: bool = True) -> PolicyRule:
    groups = {"all": parse_nodes(["berlin", str(IPv6Address(PARIS.address))], {})}
    return parse_rules([text], groups, has_packets=has_packets)[0]


@pytest.mark.parametrize(
    ("text", "allows", "protocol", "ports"),
    [
        ("allow", True, None, ()),
        ("deny", False, None, ()),
        ("allow any", True, None, ()),
        ("allow tcp", True, 6, ()),
        ("deny udp 53", False, 17, ((53, 53),)),
        ("allow  tcp 22,80, 8000-8099", True, 6, ((22, 22), (80, 80), (8000, 8099))),
        ("allow icmp from any", True, 58, ()),
        ("allow 47", True, 47, ()),
        ("allow 255", True, 255, ()),
    ],
)
def test_what_a_rule_is_about(
    text: str, allows: bool, protocol: int | None, ports: tuple[tuple[int, int], ...]
) -> None:
    found = rule(text)
    assert (found.allows, found.protocol, found.ports) == (allows, protocol, ports)
    assert found.nodes == Nodes()
    assert found.text == " ".join(text.split())


@pytest.mark.parametrize(
    ("whom", "is_berlin", "is_paris"),
    [
        ("any", True, True),
        ("Berlin", True, False),
        (str(IPv6Address(BERLIN.address)), True, False),
        (str(IPv6Address(BERLIN.address[:8] + bytes(8))), True, False),  # any address of its /64
        (BERLIN.exchange_public_key.hex(), True, False),
        (PARIS.exchange_public_key.hex().upper(), False, True),
        (f"{IPv6Address(BERLIN.address)}/64", True, False),
        (f"{IPv6Address(BERLIN.address)}/24, {PARIS.exchange_public_key.hex()}", True, True),
        ("400::/7", True, True),
        ("@all", True, True),
    ],
)
def test_whom_a_rule_is_about(whom: str, is_berlin: bool, is_paris: bool) -> None:
    nodes = rule(f"allow from {whom}").nodes
    assert nodes.include(BERLIN.address, NAMES) is is_berlin
    assert nodes.include(PARIS.address, NAMES) is is_paris


def test_a_name_is_of_whoever_has_it_now() -> None:
    nodes = rule("allow from berlin").nodes
    assert not nodes.include(BERLIN.address, {})
    assert not nodes.include(BERLIN.address, {"berlin": PARIS.address})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must begin with allow or deny"),
        ("permit", "must begin with allow or deny"),
        ("allow tpc 22", "'tpc' is not a protocol"),
        ("allow 256", "'256' is not a protocol"),
        ("allow tcp ssh", "'ssh' is neither a port"),
        ("allow tcp 9-1", "'9-1' is neither a port"),
        ("allow tcp 65536", "'65536' is neither a port"),
        ("allow tcp 22,", "'' is neither a port"),
        ("allow icmp 8", "only tcp and udp have ports"),
        ("allow any 8", "only tcp and udp have ports"),
        ("allow from ", "behind 'from' there must be nodes"),
        ("allow from berlin,", "behind 'from' there must be nodes"),
        ("allow from berlin paris", "behind 'from' there must be nodes"),
        ("allow from berlin paris, rome", "behind 'from' there must be nodes"),
        ("allow from berlin, 2001:db8::1", "'2001:db8::1' is not an address of the overlay"),
        ("allow from berlin, 4ab::1::2", "'4ab::1::2' is not an address"),
        ("allow from berlin, 4ab::/65", "'4ab::/65': a prefix of nodes has 7 to 64 bits"),
        ("allow from berlin, 4ab::/x", "'4ab::/x': a prefix of nodes has 7 to 64 bits"),
        ("allow from @nobody", "there is no such group"),
        ("deny from berlin", "a node can change its name"),
    ],
)
def test_a_mistake_is_quoted_and_explained(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        rule(text)
    assert repr(text) in str(raised.value)
    assert reason in str(raised.value)
    assert raised.value.excerpt == text


def test_links_and_sessions_have_no_ports() -> None:
    assert rule("deny from 4ab::1", has_packets=False).allows is False
    with pytest.raises(ConfigError, match="links and sessions have no protocols and ports"):
        rule("deny tcp from 4ab::1", has_packets=False)


@pytest.mark.parametrize("value", ["allow", [1], {"a": 1}, None])
def test_anything_but_a_list_of_strings_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="must be a list of strings"):
        parse_rules(value, {}, has_packets=True)


def test_too_many_rules_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be at most 4096"):
        parse_rules(["allow"] * 4_097, {}, has_packets=True)
    assert len(parse_rules(["allow"] * 4_096, {}, has_packets=True)) == 4_096


def test_a_group_without_nodes_lets_in_nobody_rather_than_everybody() -> None:
    with pytest.raises(ConfigError, match="an empty group fits no node"):
        parse_rules(["allow from @none"], {"none": Nodes()}, has_packets=True)


@pytest.mark.parametrize("text", ["permit {}", "allow {}", "allow tcp {}", "allow from {}:", "allow from {}:/64"])
def test_of_a_long_mistake_the_beginning_is_shown(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        rule(text.format("x" * 10_000))
    assert "x" * 50 in str(raised.value)
    assert len(str(raised.value)) < 400


def test_the_first_rule_that_fits_decides() -> None:
    rules = parse_rules(["allow from berlin", "deny"], {}, has_packets=False)
    assert first_of(rules, BERLIN.address, NAMES) is rules[0]
    assert first_of(rules, PARIS.address, NAMES) is rules[1]
    assert first_of(rules[:1], PARIS.address, NAMES) is None


@given(st.text(max_size=60) | st.from_regex(r"(allow|deny) (tcp|udp|any) [0-9,-]{0,9}( from [@a-f0-9:/, ]{0,30})?"))
def test_any_text_is_a_rule_or_a_mistake_of_the_operator(text: str) -> None:
    try:
        found = rule(text)
    except ConfigError:
        return
    assert rule(found.text) == found
