"""What rules of nftables do to a port: told where they name it, and not guessed where they don't."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.admin.firewall import Obstacle, obstacles

PORT = 9651
DROP: dict[str, Any] = {"drop": None}
ACCEPT: dict[str, Any] = {"accept": None}
TO_LOOPBACK = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["nftables", "chain", "rule", "expr", "match", "left", "hook", "jump"]), inner
        )
    ),
    max_leaves=20,
)


def to_port(right: Any, protocol: str = "udp", op: str = "==") -> dict[str, Any]:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": op, "left": left, "right": right}}


def ruleset(*rules: list[dict[str, Any]], policy: str = "accept", hook: str = "input", more: Any = ()) -> Any:
    place = {"family": "inet", "table": "filter"}
    return {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"chain": {**place, "name": "input", "hook": hook, "policy": policy}},
            *({"rule": {**place, "chain": "input", "expr": expressions}} for expressions in rules),
            *({"rule": {**place, "chain": "more", "expr": expressions}} for expressions in more),
        ]
    }


def told(found: list[Obstacle]) -> list[str]:
    return [one.text.removeprefix("nftables: ") for one in found]


@pytest.mark.parametrize(
    "right", [PORT, {"range": [9_000, 10_000]}, {"set": [53, PORT]}, {"set": [{"range": [9_000, 9_700]}]}]
)
def test_a_rule_that_names_the_port_and_drops_is_told_with_its_counter(right: Any) -> None:
    counter = {"counter": {"packets": 12, "bytes": 99}}
    found = obstacles(ruleset([to_port(right), counter, DROP]), PORT)
    text = f"a rule of the chain inet filter input drops packets to UDP port {PORT}, 12 of them so far"
    assert (told(found), [one.is_certain for one in found]) == ([text], [True])
    assert obstacles(ruleset([to_port(right), counter, DROP]), 7) == []


@pytest.mark.parametrize(
    "rule",
    [
        [to_port(PORT, "tcp"), DROP],
        [to_port(PORT, op="!="), DROP],
        [to_port("@ports"), DROP],
        [to_port(PORT), ACCEPT],
        [to_port(PORT), {"counter": None}],
        [TO_LOOPBACK, DROP],
    ],
)
def test_other_rules_are_none_of_its_obstacles(rule: list[dict[str, Any]]) -> None:
    assert obstacles(ruleset(rule), PORT) == []


def test_rules_of_chains_that_are_jumped_to_count_once() -> None:
    jump = [{"jump": {"target": "more"}}]
    looped = ruleset(jump, jump, more=[[to_port(PORT, "th"), {"reject": None}], [{"goto": {"target": "input"}}]])
    assert told(obstacles(looped, PORT)) == [f"a rule of the chain inet filter more rejects packets to UDP port {PORT}"]
    assert obstacles(ruleset(hook="output", more=[[to_port(PORT), DROP]]), PORT) == []


def test_a_chain_that_drops_what_none_of_its_rules_accepts_may_be_one() -> None:
    [found] = obstacles(ruleset([TO_LOOPBACK, ACCEPT], policy="drop"), PORT)
    assert not found.is_certain
    assert found.text.endswith(f"drops what none of its rules accepts, and none names UDP port {PORT}")
    for rule in ([to_port(PORT), ACCEPT], [ACCEPT]):
        assert obstacles(ruleset(rule, policy="drop"), PORT) == []


@given(JSON)
def test_whatever_is_no_ruleset_has_none(junk: Any) -> None:
    assert isinstance(obstacles(junk, PORT), list)
    assert isinstance(
        obstacles({"nftables": [{"rule": {"expr": junk}}, {"chain": {"hook": "input"}}, junk]}, PORT), list
    )
