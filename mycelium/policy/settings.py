"""The policy as it is configured: a word, or a table of rules."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from mycelium.errors import ConfigError
from mycelium.limits import POLICY_GROUPS, POLICY_NODES
from mycelium.policy.rules import Nodes, PolicyRule, parse_nodes, parse_rules, shown, strings

OPEN: Final = "open"
CLOSED: Final = "closed"
_WORDS: Final = (OPEN, CLOSED)
_KEYS: Final = ("default", "packets", "sessions", "links", "groups")


class PolicySettings(Struct, frozen=True, kw_only=True):
    """Who may reach this host. `default` is for packets that no rule decides; empty: closed, but open in a private network."""

    default: str = ""
    packets: tuple[PolicyRule, ...] = ()
    sessions: tuple[PolicyRule, ...] = ()
    links: tuple[PolicyRule, ...] = ()
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()  # as written; the rules have their nodes

    def names(self) -> list[str]:
        """Returns the names of nodes in the rules, in their order and each once."""
        rules = (*self.packets, *self.sessions)
        return list(dict.fromkeys(name for rule in rules for name in sorted(rule.nodes.names)))

    def __str__(self) -> str:
        """Returns it in a line of TOML."""
        lists = {"packets": self.packets, "sessions": self.sessions, "links": self.links}
        default = _quoted([self.default]) if self.default else ""
        parts = [f"{key} = [{_quoted(rule.text for rule in rules)}]" for key, rules in lists.items() if rules]
        if not parts:
            return default
        if self.groups:
            groups = (f"{_quoted([name])} = [{_quoted(nodes)}]" for name, nodes in self.groups)
            parts.append(f"groups = {{ {', '.join(groups)} }}")
        return f"{{ {', '.join([f'default = {default}', *parts] if default else parts)} }}"


def _quoted(texts: Iterable[str]) -> str:
    """Returns basic strings of TOML, which JSON's are, but that it wants DEL escaped."""
    return ", ".join(json.dumps(text).replace("\x7f", "\\u007f") for text in texts)


def parse_policy(value: object) -> PolicySettings:
    """Returns the policy that a word or a table says; raises ConfigError."""
    if isinstance(value, str):
        return PolicySettings(default=_word(value))
    if not isinstance(value, Mapping):
        raise ConfigError("must be open, closed, or a table [policy] of rules in the configuration file")
    for key in value:
        if key not in _KEYS:
            raise ConfigError(f"{shown(key)}: is not one of {', '.join(_KEYS)}", excerpt=key)
    groups = _groups(value.get("groups", {}))
    lists = {key: _rules(value, key, groups) for key in ("packets", "sessions", "links")}
    if any(rule.nodes.names for rule in lists["links"]):
        raise ConfigError("links: a link is older than what is known of names: use the address or key of a node")
    default = value.get("default", "")
    written = tuple((name, tuple(nodes)) for name, nodes in value.get("groups", {}).items())
    return PolicySettings(default=_word(default) if "default" in value else "", groups=written, **lists)


def _word(value: object) -> str:
    if value not in _WORDS:
        raise ConfigError(f"{shown(str(value))!r} is neither open nor closed")
    return str(value)


def _rules(table: Mapping[str, object], key: str, groups: Mapping[str, Nodes]) -> tuple[PolicyRule, ...]:
    try:
        return parse_rules(table.get(key, ()), groups, has_packets=key == "packets")
    except ConfigError as error:
        raise ConfigError(f"{key}: {error}", excerpt=error.excerpt) from None


def _groups(value: object) -> dict[str, Nodes]:
    if not isinstance(value, Mapping) or len(value) > POLICY_GROUPS:
        raise ConfigError(f"groups: must be a table of at most {POLICY_GROUPS} lists of nodes")
    groups: dict[str, Nodes] = {}
    for name, members in value.items():
        try:
            groups[name] = parse_nodes(strings(members, POLICY_NODES), groups)
            if groups[name].is_everyone:
                raise ConfigError("names no node")
        except ConfigError as error:
            raise ConfigError(f"groups: {shown(name)}: {error}", excerpt=name) from None
    return groups
