"""Counters of a node itself: unknown datagrams, neighbours that it does not adopt, and lookups."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class NodeCounters:
    """Totals since the node started."""

    datagrams_unknown: int = drops("Datagrams dropped: for no link of this node, or of no known kind.")
    links_refused: int = counter("Authentic neighbours not adopted: too many links.")
    links_denied: int = counter("Authentic neighbours not adopted: excluded by the policy.")


@dataclass(slots=True)
class DirectoryCounters:
    """Totals since the node started."""

    lookups: int = counter("Addresses looked up at landmarks.")
    lookups_failed: int = counter("Addresses looked up that no landmark knew.")
    lookups_refused: int = drops("Addresses not looked up: too many lookups at one time.")
    lookup_packets_dropped: int = drops("Packets dropped while their destination was looked up: the queue was full.")
    lookups_answered: int = counter("Lookups of other nodes answered.")
    lookups_unanswered: int = drops("Lookups dropped: malformed, too many, or this node is no landmark.")
    answers_refused: int = drops("Answers, or records in them, ignored: not asked for, malformed or not authentic.")
    home_records_handed: int = counter("Home records handed to other landmarks.")
    home_records_refused: int = drops(
        "Home records of other landmarks ignored: not theirs, not authentic, or too many."
    )
    homes_left: int = counter("Homes left because this node was not found there.")
