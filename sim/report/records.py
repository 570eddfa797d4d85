"""The records of a run, one JSON object per line, distinguished by `type`; here are those that reports use.

Missing fields have defaults and unknown ones are ignored, so that every run has a report. Times are virtual seconds from the
start of the run unless the name says otherwise.
"""

import msgspec

from ..quantiles import Quantiles

Scalar = str | int | float | bool | None


class RunRecord(msgspec.Struct, frozen=True):
    """The settings of the run."""

    topology: str = "?"
    nodes: int = 0
    links: int = 0
    scenario: str = "?"
    seed: int = 0
    fidelity: str = "?"
    parameters: dict[str, Scalar] = {}


class ActionRecord(msgspec.Struct, frozen=True):
    """An action of the scenario; `details` has the other fields of the record."""

    t: float = 0.0
    what: str = "?"
    details: dict[str, object] = {}


class SampleRecord(msgspec.Struct, frozen=True):
    """The state of the mesh at one time. Messages, bytes and events are counted from the start of the run."""

    t: float
    converged_nodes: int = 0
    wall_s: float = 0.0
    messages: int = 0
    bytes: int = 0
    events: int = 0


class OutageRecord(msgspec.Struct, frozen=True):
    """An outage of a watched flow, which has no end if it lasted until the end of the run."""

    flow: tuple[int, int] = (0, 0)
    start: float = 0.0
    end: float | None = None
    outage_s: float | None = None
    after_detection_s: float | None = None
    repair_s: float | None = None  # after_detection_s without the time in which the mesh had no path


class WayRecord(msgspec.Struct, frozen=True):
    """What way two nodes behind NATs have found to each other: "direct", "leased" or "relayed"."""

    t: float = 0.0
    kinds: tuple[str, str] = ("?", "?")
    way: str = "relayed"
    found_s: float | None = None
    before_s: float | None = None  # that a packet took at first
    after_s: float | None = None  # that the newest took
    lost: int = 0


class TalkRecord(msgspec.Struct, frozen=True):
    """How many honest pairs hear each other at one time, although other nodes lie."""

    t: float = 0.0
    pairs: int = 0
    talking: int = 0
    found: int = 0  # liars that an honest neighbour distrusts
    wronged: int = 0  # honest nodes that one distrusts


class TrafficRecord(msgspec.Struct, frozen=True):
    """What nodes sent during an action, in bytes per second of one node; mean and kinds are of all nodes."""

    during: str = "?"
    mean: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    kinds: dict[str, float] = {}


class NodeRecord(msgspec.Struct, frozen=True):
    """What one node did during the run."""

    node: int
    degree: int = 0
    bytes_sent: int = 0
    messages_sent: int = 0
    routes: int = 0


class StretchRecord(msgspec.Struct, frozen=True):
    """The cost of sampled paths, each divided by that of the shortest path."""

    values: list[float] = []
    met: list[float] = []  # the same once both ends have told each other what is near them


class MapRecord(msgspec.Struct, frozen=True):
    """The mesh at the end of the run: places of nodes that have one, and links as (a, b, delay in seconds, state).

    `half` are those that only one end uses, that end first.
    """

    positions: dict[int, tuple[float, float]] = {}
    edges: list[tuple[int, int, float, str | bool]] = []
    half: list[tuple[int, int]] = []


class ViolationRecord(msgspec.Struct, frozen=True):
    """A violated invariant or broken promise; `details` has the other fields of the record."""

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
    loops: int | None = None
    metric_mismatches: int | None = None
    pairs_undelivered: int | None = None
    violations: int | None = None
    peak_rss_mib: float | None = None
    log_hash: str | None = None
    figures: dict[str, float] = {}
    promises: dict[str, float] = {}
    outage_s: Quantiles | None = None
    after_detection_s: Quantiles | None = None
