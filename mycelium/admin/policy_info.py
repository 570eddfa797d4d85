"""What an operator may ask of a running node about its policy."""

from typing import Protocol

from msgspec import Struct


class PolicyInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/policy"""

    summary: str  # for people
    default: str  # open | closed: for packets that no rule decides
    packets: list[str]  # rules, of which the first that fits decides
    sessions: list[str]
    links: list[str]
    flows: int  # that are let pass without being judged again
    denied: int  # packets that were not let in since the node started


class PolicyQuestion(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The body of POST /api/v1/admin/policy/test: may `source` begin something with this port of `destination`?

    Nodes are named as in other calls, this one also as 'here'; a port as 22, tcp/22, udp/53 or icmp.
    """

    source: str
    destination: str
    port: str


class PolicyAnswer(Struct, frozen=True, rename="camel", kw_only=True):
    """The answer, with what decides; `why` is for people."""

    allowed: bool
    why: str
    rule: str | None = None  # None: the default


class PolicyControl(Protocol):
    """The policy of the running node."""

    def info(self) -> PolicyInfo: ...
    def test(self, question: PolicyQuestion) -> PolicyAnswer:
        """Raises ConfigError for what is no port, LocalError where this node does not decide."""
