"""Counters of a node itself: unknown datagrams, and neighbours that it does not adopt."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class NodeCounters:
    """Totals since the node started."""

    datagrams_unknown: int = drops("Datagrams dropped: for no link of this node, or of no known kind.")
    links_refused: int = counter("Authentic neighbours not adopted: too many links.")
    links_denied: int = counter("Authentic neighbours not adopted: excluded by the policy.")
