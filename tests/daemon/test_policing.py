"""What the operator hears of the policy: in a line, rule by rule, and which one decides."""

import pytest

from mycelium.admin.policy_info import PolicyAnswer, PolicyQuestion
from mycelium.daemon.policing import Policing
from mycelium.errors import ConfigError, LocalError
from mycelium.node.names import Names
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy
from sim.net.node_net import NodeNet
from tests.support.small_meshes import ready_pair

UNKNOWN = "4ab::1"


def policing(value: object, *, is_private: bool = False, net: NodeNet | None = None) -> Policing:
    net = ready_pair() if net is None else net
    node, policy = net.hosts["a"].node, NodePolicy(parse_policy(value), is_private=is_private)
    names = Names(node.routing, is_private=is_private)
    return Policing(node, policy, names, lambda action: action(net.now))


@pytest.mark.parametrize(
    ("value", "is_private", "summary"),
    [
        ({}, False, "closed: only answers to what this host began, ICMPv6 echo and errors come in"),
        (
            {"packets": ["allow tcp 22"]},
            False,
            "closed: only answers to what this host began, ICMPv6 echo and errors come in, with exceptions in 1 rule",
        ),
        ("open", False, "open: ANYBODY in the open network reaches every port of this host"),
        ({}, True, "open: every node of this private network reaches every port of this host"),
        (
            {"packets": ["deny udp", "deny icmp"]},
            True,
            "open: every node of this private network reaches every port of this host, with exceptions in 2 rules",
        ),
    ],
)
def test_what_comes_in_is_said_in_a_line(value: object, is_private: bool, summary: str) -> None:
    assert policing(value, is_private=is_private).summary() == summary


def test_the_rules_are_listed() -> None:
    info = policing({"packets": ["allow tcp 22"], "sessions": ["allow"], "links": ["deny from 4ab::1"]}).info()
    assert (info.default, info.packets, info.sessions, info.links) == (
        "closed",
        ["allow tcp 22"],
        ["allow"],
        ["deny from 4ab::1"],
    )
    assert (info.flows, info.denied) == (0, 0)


def test_a_node_that_is_no_member_any_more_is_denied_both_ways_whatever_the_rules_say() -> None:
    net = ready_pair()
    control, other = policing({"packets": ["allow tcp 22"]}, net=net), net.hosts["b"].address_text
    control._policy.bars = lambda node: "it was removed" if node == net.hosts["b"].address else None
    denied = PolicyAnswer(allowed=False, why=f"{other} gets no session: it was removed")
    assert control.test(PolicyQuestion(other, "here", "22")) == denied
    assert control.test(PolicyQuestion("here", other, "22")) == denied
    assert control.test(PolicyQuestion(UNKNOWN, "here", "22")).allowed


@pytest.mark.parametrize(
    ("source", "port", "allowed", "why"),
    [
        (UNKNOWN, "22", True, "rule 2 of packets: allow tcp 22"),
        (UNKNOWN, "tcp/22", True, "rule 2 of packets: allow tcp 22"),
        (UNKNOWN, "udp/53", False, "rule 1 of packets: deny udp 53"),
        (UNKNOWN, "TCP/23", False, "no rule decides about it; the default is closed"),
        (UNKNOWN, "icmp", True, "no rule decides about it; ICMPv6 echo comes in"),
        ("4cd::1", "22", False, "rule 1 of sessions: deny from 4cd::1"),
    ],
)
def test_a_question_is_answered_with_what_decides(source: str, port: str, allowed: bool, why: str) -> None:
    control = policing({"packets": ["deny udp 53", "allow tcp 22"], "sessions": ["deny from 4cd::1"]})
    assert control.test(PolicyQuestion(source, "here", port)) == PolicyAnswer(
        allowed=allowed, why=why, rule=why.partition(": ")[2] or None
    )


def test_what_this_host_begins_leaves() -> None:
    net = ready_pair()
    answer = policing({}, net=net).test(PolicyQuestion("here", net.hosts["b"].address_text, "22"))
    assert answer.allowed
    assert answer.why.endswith(f"{net.hosts['b'].address_text} decides about it")


def test_a_question_that_has_no_answer_here_is_refused() -> None:
    control = policing({})
    for one, other in ((UNKNOWN, "4cd::1"), ("here", "here")):
        with pytest.raises(ConfigError, match="one of the two nodes must be this one"):
            control.test(PolicyQuestion(one, other, "22"))
    with pytest.raises(LocalError, match="is no node that this one knows"):
        control.test(PolicyQuestion("nobody", "here", "22"))
    for port in ("", "ssh", "sctp/1", "65536", "udp/", "1" * 9_000):
        with pytest.raises(ConfigError, match="is not a port"):
            control.test(PolicyQuestion(UNKNOWN, "here", port))


def test_other_rules_are_followed_and_what_they_end_is_told() -> None:
    net = ready_pair()
    control = policing("open", net=net)
    b = net.hosts["b"].address_text
    told = control.follow(parse_policy({"links": [f"deny from {b}"], "sessions": [f"deny from {b}"]}))
    assert told == f"policy {control.summary()}; 1 link and 1 session ended"
    assert control.summary().startswith("closed: ")
