"""Finds in the rules of nftables what keeps others from a port of this host. Pure: it is handed what nft tells as JSON.

It tells what stands there: rules that name the port and drop or reject, and chains that drop what no rule accepts while none
of theirs names the port. What a rule without a port does to it is not judged.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

_INPUT: Final = "input"
_DONE: Final = {"drop": "drops", "reject": "rejects"}
_LEADING_ON: Final = ("jump", "goto")
_ANY_PROTOCOL: Final = ("th", "udp")  # as which a rule may match a port of UDP

_ChainKey = tuple[str, str, str]  # family, table, name


class Obstacle(Struct, frozen=True):
    """What keeps others from the port; `is_certain` unless a rule that names no port lets them pass."""

    text: str
    is_certain: bool


def obstacles(ruleset: Any, port: int) -> list[Obstacle]:
    """Returns what keeps others from a UDP port; nothing for what is no ruleset."""
    entries = ruleset.get("nftables") if isinstance(ruleset, dict) else None
    if not isinstance(entries, list):
        return []
    chains = [one["chain"] for one in entries if isinstance(one, dict) and isinstance(one.get("chain"), dict)]
    rules = _by_chain(one["rule"] for one in entries if isinstance(one, dict) and isinstance(one.get("rule"), dict))
    return [found for chain in chains if chain.get("hook") == _INPUT for found in _of_chain(chain, rules, port)]


def _of_chain(chain: Mapping[str, Any], rules: Mapping[_ChainKey, list[list[Any]]], port: int) -> Iterable[Obstacle]:
    name = f"{chain.get('family')} {chain.get('table')} {chain.get('name')}"
    is_accepted = False
    for key in _reached(_key(chain, chain.get("name")), rules):
        for expressions in rules.get(key, []):
            verdict = _verdict(expressions)
            is_named = _names(expressions, port)
            is_accepted = is_accepted or (verdict == "accept" and (is_named or _is_for_all(expressions)))
            if is_named and verdict in _DONE and verdict is not None:
                counted = next((one["counter"] for one in expressions if _has(one, "counter")), None)
                times = f", {counted['packets']} of them so far" if isinstance(counted, dict) else ""
                done = _DONE[verdict]
                text = f"nftables: a rule of the chain {' '.join(key)} {done} packets to UDP port {port}{times}"
                yield Obstacle(text, is_certain=True)
    if chain.get("policy") == "drop" and not is_accepted:
        text = f"nftables: the chain {name} drops what none of its rules accepts, and none names UDP port {port}"
        yield Obstacle(text, is_certain=False)


def _by_chain(rules: Iterable[Mapping[str, Any]]) -> dict[_ChainKey, list[list[Any]]]:
    found: dict[_ChainKey, list[list[Any]]] = {}
    for rule in rules:
        expressions = rule.get("expr")
        if isinstance(expressions, list):
            found.setdefault(_key(rule, rule.get("chain")), []).append(expressions)
    return found


def _key(where: Mapping[str, Any], chain: Any) -> _ChainKey:
    return str(where.get("family")), str(where.get("table")), str(chain)


def _reached(first: _ChainKey, rules: Mapping[_ChainKey, list[list[Any]]]) -> list[_ChainKey]:
    """Returns a chain and all that its rules lead on to."""
    found = [first]
    for key in found:  # which grows meanwhile
        for expressions in rules.get(key, []):
            targets = [one[way] for one in expressions for way in _LEADING_ON if _has(one, way)]
            names = [target["target"] for target in targets if _has(target, "target")]
            found += [new for name in names if (new := (*key[:2], str(name))) not in found]
    return found


def _has(expression: Any, name: str) -> bool:
    return isinstance(expression, dict) and name in expression


def _verdict(expressions: list[Any]) -> str | None:
    return next((name for one in expressions for name in ("accept", *_DONE) if _has(one, name)), None)


def _is_for_all(expressions: list[Any]) -> bool:
    return not any(_has(one, "match") or _has(one, "xt") for one in expressions)


def _names(expressions: list[Any], port: int) -> bool:
    """Tells whether a rule is about a destination port of UDP, alone or among others."""
    for one in expressions:
        match one:
            case {"match": {"op": "==" | "in", "left": {"payload": payload}, "right": right}}:
                is_port = _has(payload, "field") and payload["field"] == "dport"
                if is_port and payload.get("protocol") in _ANY_PROTOCOL and _holds(right, port):
                    return True
    return False


def _holds(right: Any, port: int) -> bool:
    match right:
        case int():
            return right == port
        case {"range": [int(first), int(last)]}:
            return first <= port <= last
        case {"set": list(members)}:
            return any(_holds(one, port) for one in members)
    return False
