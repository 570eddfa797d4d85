"""Counters of the policy."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class PolicyCounters:
    """Totals since the node started."""

    packets_unreadable: int = drops("Arrived packets dropped by the policy because their headers can't be read.")
    flows_refused: int = drops("Arrived packets dropped by the policy: their node has as many flows as it may have.")
    flows_begun: int = counter("Flows that the policy has let pass, from here or from other nodes.")
