"""What routing has done and refused: plain integers that anyone may read."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Totals since the engine began; every kind of drop has its own."""

    updates_received: int = 0
    updates_sent: int = 0
    retractions_sent: int = 0
    requests_received: int = 0
    requests_sent: int = 0
    requests_dropped: int = 0
    digests_sent: int = 0
    digests_differing: int = 0
    announcements_verified: int = 0
    announcements_missing: int = 0
    announcements_mismatched: int = 0
    announcements_wrong_node: int = 0
    announcements_foreign: int = 0
    announcements_forged: int = 0
    announcements_over_budget: int = 0
    announcements_stale: int = 0
    sequence_bumps: int = 0
    sequence_jumps: int = 0
    expired_nodes: int = 0
    prefix_collisions: int = 0
    prefixes_refused: int = 0
    table_full: int = 0
    unknown_neighbour: int = 0
    damped: int = 0

    def snapshot(self) -> dict[str, int]:
        """Returns the value of each by its name."""
        return asdict(self)
