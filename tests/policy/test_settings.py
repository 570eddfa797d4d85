"""The policy in the configuration: a word or a table, back as TOML, and what is said of a mistake."""

import tomllib

import pytest

from mycelium.errors import ConfigError
from mycelium.policy.settings import PolicySettings, parse_policy

TABLE = """
default = "closed"
packets = ["allow tcp 22 from @admins", "deny udp"]
sessions = ["allow from @all", "deny"]
links = ["deny from 4ab::1"]
[groups]
admins = ["berlin", "4ab::2"]
all = ["@admins", "4cd::/16"]
"""


def test_a_word_is_a_policy_without_rules() -> None:
    assert parse_policy("open") == PolicySettings(default="open")
    assert parse_policy("closed") == PolicySettings(default="closed")


def test_a_table_has_rules_in_which_groups_stand_for_their_nodes() -> None:
    policy = parse_policy(tomllib.loads(TABLE))
    assert [rule.text for rule in policy.packets] == ["allow tcp 22 from @admins", "deny udp"]
    assert policy.packets[0].nodes.names == {"berlin"}
    assert policy.sessions[0].nodes.names == {"berlin"}
    assert len(policy.sessions[0].nodes.prefixes) == 1
    assert policy.names() == ["berlin"]
    assert parse_policy({}) == PolicySettings()


def test_it_is_shown_as_toml() -> None:
    assert str(PolicySettings()) == ""
    assert str(parse_policy("open")) == '"open"'
    whole = parse_policy(tomllib.loads(TABLE))
    assert parse_policy(tomllib.loads(f"policy = {whole}")["policy"]) == whole
    shown = str(parse_policy({"default": "open", "packets": ["deny udp"], "links": ["deny from 4ab::1"]}))
    assert parse_policy(tomllib.loads(f"policy = {shown}")["policy"]).default == "open"
    assert shown == '{ default = "open", packets = ["deny udp"], links = ["deny from 4ab::1"] }'


@pytest.mark.parametrize(
    ("value", "reason", "excerpt"),
    [
        ("opened", "'opened' is neither open nor closed", ""),
        ({"default": 1}, "'1' is neither open nor closed", ""),
        (7, "must be open, closed, or a table", ""),
        ({"packet": []}, "packet: is not one of default, packets, sessions, links, groups", "packet"),
        ({"packets": ["allow tpc"]}, "packets: 'allow tpc': 'tpc' is not a protocol", "allow tpc"),
        ({"sessions": ["deny udp"]}, "sessions: 'deny udp': must be", "deny udp"),
        ({"links": ["allow from berlin"]}, "links: a link is older than what is known of names", ""),
        ({"groups": ["berlin"]}, "groups: must be a table", ""),
        ({"groups": {"none": []}}, "groups: none: names no node", "none"),
        ({"groups": {"one": ["@two"], "two": ["berlin"]}}, "groups: one: '@two': there is no such group", "one"),
        ({"groups": {"one": "berlin"}}, "groups: one: must be a list of strings", "one"),
    ],
)
def test_a_mistake_is_named_by_its_key(value: object, reason: str, excerpt: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_policy(value)
    assert reason in str(raised.value)
    assert raised.value.excerpt == excerpt


def test_there_is_a_largest_number_of_groups() -> None:
    groups = {f"group{number}": ["berlin"] for number in range(256)}
    assert len(parse_policy({"groups": groups}).groups) == 256
    with pytest.raises(ConfigError, match="a table of at most 256 lists"):
        parse_policy({"groups": {**groups, "more": ["berlin"]}})


@pytest.mark.parametrize("value", ["x" * 10_000, {"x" * 10_000: []}, {"groups": {"x" * 10_000: []}}])
def test_of_a_long_mistake_the_beginning_is_shown(value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_policy(value)
    assert "x" * 50 in str(raised.value)
    assert len(str(raised.value)) < 400
