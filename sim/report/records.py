"""What a run tells of itself: one record a line of JSON, told apart by `type`; here those that reports read.

Fields that a record lacks have a default, and fields that are not named here are passed over, so that a report can be made of
whatever a run left behind. Times are virtual seconds from the start of the run unless the name says otherwise.
"""

import msgspec

from sim.quantiles import Quantiles

Scalar = str | int | float | bool | None


class RunRecord(msgspec.Struct, frozen=True):
    """What was run."""

    topology: str = "?"
    nodes: int = 0
    links: int = 0
    scenario: str = "?"
    seed: int = 0
    fidelity: str = "?"
    parameters: dict[str, Scalar] = {}


class ActionRecord(msgspec.Struct, frozen=True):
    """One thing that the scenario did; `details` is the rest of the record."""

    t: float = 0.0
    what: str = "?"
    details: dict[str, object] = {}


class SampleRecord(msgspec.Struct, frozen=True):
    """The mesh at one moment; messages, bytes and events are counted from the start of the run."""

    t: float
    converged_nodes: int = 0
    wall_s: float = 0.0
    messages: int = 0
    bytes: int = 0
    events: int = 0


class OutageRecord(msgspec.Struct, frozen=True):
    """One time that a watched flow was out; without an end it was out when the run ended."""

    flow: tuple[int, int] = (0, 0)
    start: float = 0.0
    end: float | None = None
    outage_s: float | None = None
    after_detection_s: float | None = None


class NodeRecord(msgspec.Struct, frozen=True):
    """What one node did in the whole run."""

    node: int
    degree: int = 0
    bytes_sent: int = 0
    messages_sent: int = 0
    routes: int = 0


class StretchRecord(msgspec.Struct, frozen=True):
    """Delays of paths taken, each divided by that of the shortest."""

    values: list[float] = []


class MapRecord(msgspec.Struct, frozen=True):
    """The mesh as it was at the end: places of nodes, where they have one, and links (a, b, delay in seconds, state)."""

    positions: dict[int, tuple[float, float]] = {}
    edges: list[tuple[int, int, float, str | bool]] = []


class ViolationRecord(msgspec.Struct, frozen=True):
    """An invariant that did not hold; `details` is the rest of the record."""

    t: float | None = None
    what: str = "violation"
    details: dict[str, object] = {}


class SummaryRecord(msgspec.Struct, frozen=True):
    """The last record of a run."""

    nodes: int | None = None
    links: int | None = None
    converged_s: float | None = None
    wall_s: float | None = None
    events: int | None = None
    messages: int | None = None
    bytes_per_node: float | None = None
    idle_bytes_per_node_per_s: float | None = None
    loops: int | None = None
    metric_mismatches: int | None = None
    violations: int | None = None
    peak_rss_mib: float | None = None
    log_hash: str | None = None
    figures: dict[str, float] = {}
    promises: dict[str, float] = {}
    outage_s: Quantiles | None = None
    after_detection_s: Quantiles | None = None
