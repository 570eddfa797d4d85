"""The counters of the policy: what cannot be read, what was refused for its number, and what began."""

from mycelium.policy.counters import PolicyCounters
from mycelium.policy.node_policy import NodePolicy
from mycelium.policy.settings import parse_policy


def test_an_unreadable_packet_is_counted_as_one() -> None:
    policy = NodePolicy(parse_policy("closed"), is_private=False)
    assert policy.admits is not None
    short = memoryview(b"\x60" + bytes(5) + b"\x06" + bytes(36))
    policy.admits(bytes(16), [(short, 0, 0)], now=0.0)
    assert policy.counters == PolicyCounters(packets_unreadable=1)
