"""The policy of a running node, for its operator: it follows the settings, and says what decides about a packet."""

from collections.abc import Sequence
from time import monotonic
from typing import Final

from mycelium.admin.policy_info import PolicyAnswer, PolicyInfo, PolicyQuestion
from mycelium.daemon.peers import Act
from mycelium.errors import ConfigError
from mycelium.identity import address_text
from mycelium.node.lookup import address_meant, find_node
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.node.policing import end_forbidden
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.rules import HIGHEST_PORT, PROTOCOLS, PolicyRule
from mycelium.policy.settings import OPEN, PolicySettings
from mycelium.quantity import quantity

HERE: Final = "here"
_ANSWERS: Final = "answers to what this host began, ICMPv6 echo and errors"
_ECHO: Final = "icmp"


class Policing:
    """Implements `admin.policy_info.PolicyControl`."""

    def __init__(self, node: Node, policy: NodePolicy, names: Names, act: Act) -> None:
        self._node = node
        self._policy = policy
        self._names = names
        self._act = act
        policy.names = lambda now: names.nodes(now=now)
        node.metrics.add(policy.counters, prefix="policy_")
        node.metrics.add_gauge("policy_flows", "Flows that the policy lets pass.", lambda: len(policy.flows))

    def follow(self, settings: PolicySettings) -> str:
        """Goes by other rules, ends the links and sessions that they forbid, and returns what to tell of it."""
        ended: list[int] = []
        node, policy = self._node, self._policy
        policy.follow(settings)
        self._act(lambda now: ended.extend(end_forbidden(node.neighbours, node.sessions, policy, now=now)))
        links, sessions = ended
        return f"policy {self.summary()}; {quantity(links, 'link')} and {quantity(sessions, 'session')} ended"

    def summary(self) -> str:
        """Returns what comes in, in a line for people."""
        policy, rules = self._policy, len(self._policy.settings.packets)
        exceptions = f", with exceptions in {quantity(rules, 'rule')}" if rules else ""
        if policy.default == OPEN:
            who = "every node of this private network" if policy.is_private else "ANYBODY in the open network"
            return f"open: {who} reaches every port of this host{exceptions}"
        return f"closed: only {_ANSWERS} come in{exceptions}"

    def info(self) -> PolicyInfo:
        """Returns the rules, and what they have done."""
        settings = self._policy.settings
        return PolicyInfo(
            summary=self.summary(),
            default=self._policy.default,
            packets=_texts(settings.packets),
            sessions=_texts(settings.sessions),
            links=_texts(settings.links),
            flows=len(self._policy.flows),
            denied=self._node.dataplane_counters.packets_denied,
        )

    def test(self, question: PolicyQuestion) -> PolicyAnswer:
        """Returns whether the source may begin something with the destination, and what decides."""
        protocol, port = _port(question.port)
        source, destination = self._find(question.source), self._find(question.destination)
        own, now = self._node.identity.address, monotonic()
        if (source == own) is (destination == own):
            raise ConfigError(
                "one of the two nodes must be this one ('here'): each node decides what comes in to it alone"
            )
        other = destination if source == own else source
        if why := self._policy.bars(other):
            return PolicyAnswer(allowed=False, why=f"{address_text(other)} gets no session: {why}")
        rule = self._policy.session_rule(other, now=now)
        if rule is not None and not rule.allows:
            return _answer(False, rule, self._policy.settings.sessions, "sessions")
        if source == own:
            return PolicyAnswer(
                allowed=True,
                why=f"what this host begins leaves, and is answered; {address_text(other)} decides about it",
            )
        verdict = self._policy.verdict(other, protocol, port, is_echo=question.port.lower() == _ECHO, now=now)
        if verdict.rule is None and protocol == PROTOCOLS[_ECHO]:
            return PolicyAnswer(allowed=True, why="no rule decides about it; ICMPv6 echo comes in")
        if verdict.rule is None:
            return PolicyAnswer(
                allowed=verdict.allows, why=f"no rule decides about it; the default is {self._policy.default}"
            )
        return _answer(verdict.allows, verdict.rule, self._policy.settings.packets, "packets")

    def _find(self, text: str) -> bytes:
        if text.lower() == HERE:
            return self._node.identity.address
        named = self._names.find(text.lower(), now=monotonic())
        return named or address_meant(text) or find_node(text, self._node.routing)


def _answer(allowed: bool, rule: PolicyRule, rules: Sequence[PolicyRule], key: str) -> PolicyAnswer:
    return PolicyAnswer(allowed=allowed, why=f"rule {rules.index(rule) + 1} of {key}: {rule.text}", rule=rule.text)


def _texts(rules: Sequence[PolicyRule]) -> list[str]:
    return [rule.text for rule in rules]


def _port(text: str) -> tuple[int, int]:
    """Returns the protocol and the port that a text names; raises ConfigError."""
    word, _, number = text.lower().rpartition("/")
    if text.lower() == _ECHO:
        return PROTOCOLS[_ECHO], 0
    if word in ("", "tcp", "udp") and number.isdecimal() and int(number[:6]) <= HIGHEST_PORT:
        return PROTOCOLS[word or "tcp"], int(number)
    raise ConfigError(f"{text[:30]!r} is not a port, such as 22, tcp/22, udp/53 or icmp")
