"""Counters of the routing engine."""

from dataclasses import dataclass

from mycelium.counters import counter, drops


@dataclass(slots=True)
class RoutingCounters:
    """Totals since the engine started; each kind of drop has its own."""

    updates_received: int = counter("Updates received from neighbours.")
    updates_sent: int = counter("Updates sent to neighbours.")
    retractions_sent: int = counter("Retractions sent to neighbours.")
    requests_received: int = counter("Sequence-number requests received.")
    requests_sent: int = counter("Sequence-number requests sent.")
    requests_dropped: int = drops("Sequence-number requests dropped: too many, or out of hops.")
    resumed: int = counter("Neighbours that came back so soon that tables were not told again.")
    digests_sent: int = counter("Digests of the route table sent.")
    digests_dropped: int = drops("Digests not compared: a neighbour sends too many.")
    digests_differing: int = counter("Digests received that differed from the own table.")
    announcements_verified: int = counter("Announcements and home records with a valid signature.")
    announcements_missing: int = drops("Updates ignored: the announcement of their sequence is not known.")
    announcements_mismatched: int = drops("Announcements ignored: not of the sequence of their update.")
    announcements_wrong_node: int = drops("Announcements and home records ignored: signed by another node.")
    announcements_foreign: int = drops("Announcements and home records ignored: of another network.")
    announcements_forged: int = drops("Announcements and home records ignored: invalid signature.")
    announcements_over_budget: int = drops(
        "Announcements ignored for now: a neighbour brings more than can be verified."
    )
    announcements_stale: int = drops("Announcements ignored: older than what is remembered of a lost node.")
    sequence_bumps: int = counter("Increases of the own sequence.")
    sequence_jumps: int = counter("Jumps of the own sequence past one that was signed before and forgotten.")
    expired_nodes: int = counter("Nodes forgotten: no sign of life.")
    prefix_collisions: int = counter("Nodes whose /64 another node had first.")
    prefixes_refused: int = drops("Announced prefixes that the policy does not allow, once per announcement.")
    changes_over_budget: int = counter("Changes of routes told to others later: one neighbour changes too many.")
    starts_postponed: int = counter("Control streams not listened to for a while: their neighbour starts too many.")
    over_share: int = drops("Updates ignored: the route table is nearly full, and one neighbour brings most of it.")
    rows_evicted: int = counter("Nodes dropped from a table that is nearly full: only one neighbour brought them.")
    table_full: int = drops("Updates ignored: the route table is full.")
    pins_refused: int = drops("Pins ignored: a neighbour pins too many nodes, or this node keeps all.")
    unknown_neighbour: int = drops("Batches of messages dropped: their neighbour is not up.")
    route_changes: int = counter("Changes of next hops.")
    damped: int = counter("Links passed over for a while because they kept dying.")
