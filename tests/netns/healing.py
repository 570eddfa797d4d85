"""What the tests of healing share: how long pings had no answer, which way packets go, what the journals tell."""

from collections.abc import Callable
from typing import Any, Final

from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh
from tests.lab.outage import ANSWERED_IN_A_ROW, watch
from tests.lab.ping import PingResult, answers
from tests.lab.waiting import wait_until

# more than daemons need that wait for a busy processor, less than a link that is dialled anew after its peer's last wait
HEALED_SECONDS: Final = 8.0
BACK_SECONDS: Final = 30.0
NEXT_HOP_SECONDS: Final = 90.0  # until costs measured on a busy machine have come down


def is_answered(one: LabDaemon, other: LabDaemon, *, count: int = ANSWERED_IN_A_ROW, size: int = 56) -> bool:
    """Tells whether a burst of pings loses none."""
    return answers(one.host, other.address, count=count, size=size)


def outage_of(one: LabDaemon, other: LabDaemon, action: Callable[[], object]) -> float:
    """Returns for how many seconds pings stayed unanswered because of `action`."""
    return watch(one.host, other.address, action, seconds=BACK_SECONDS).outage_s


def next_hop(mesh: DaemonMesh, one: str, other: str) -> str:
    """Returns the name of the first node on the way, which may be the last."""
    hop = mesh.next_hop(one, other)
    assert hop is not None, f"{one} has no route to {other}"
    return hop


def wait_answered(one: LabDaemon, other: LabDaemon, what: str = "pings are answered", **burst: int) -> None:
    """Waits until a burst of pings loses none; of so many and of this size, if `count` and `size` are given."""
    wait_until(lambda: is_answered(one, other, **burst), BACK_SECONDS, f"{what}: {one.name} to {other.name}")


def wait_next_hop(mesh: DaemonMesh, one: str, other: str, hop: str, seconds: float = NEXT_HOP_SECONDS) -> None:
    """Waits until packets between two nodes go by way of a third, as seen at the first."""
    wait_until(
        lambda: mesh.next_hop(one, other) == hop,
        seconds,
        lambda: f"{one} to {other} by way of {hop}, but {mesh.next_hop(one, other)}",
    )


def wait_left(mesh: DaemonMesh, one: str, other: str, hop: str) -> None:
    """Waits until packets between two nodes go by way of another node than this one, as seen at the first."""
    wait_until(
        lambda: mesh.next_hop(one, other) not in (hop, None), NEXT_HOP_SECONDS, f"{one} to {other} not by way of {hop}"
    )


def wait_status(daemon: LabDaemon, **fields: Any) -> None:
    """Waits until the daemon's status has these values."""

    def found() -> dict[str, Any]:
        status = daemon.get("admin/status")
        return {name: status[name] for name in fields}

    wait_until(lambda: found() == fields, BACK_SECONDS, lambda: f"{fields} at {daemon.name}, but {found()}")


def wait_told(daemon: LabDaemon, kind: str, since: int, seconds: float = BACK_SECONDS, **fields: Any) -> dict[str, Any]:
    """Waits for an entry in the journal newer than `since` that has these fields, and returns the first."""

    def found() -> list[dict[str, Any]]:
        told = daemon.events(since, kind)
        return [event for event in told if all(event.get(key) == value for key, value in fields.items())]

    return wait_until(found, seconds, lambda: f"{kind} {fields} at {daemon.name}, only {daemon.events(since)}")[0]


class Losses:
    """Packets that get lost from now on, while nothing that the test does is a reason for it.

    A daemon that has no turn for a fifth of a second is taken for lost, and what has no other way is dropped. The journals tell
    of it; where they do, an outage is bounded as one that heals.
    """

    def __init__(self, *daemons: LabDaemon) -> None:
        self._since = {daemon: daemon.newest_event() for daemon in daemons}

    def assert_none(self, result: PingResult) -> None:
        """Sees that all pings were answered; the last one may be under way."""
        running = {daemon: since for daemon, since in self._since.items() if daemon.is_running}
        if any(daemon.events(since, "link-suspect") for daemon, since in running.items()):
            assert result.outage_s < HEALED_SECONDS, result
        else:
            assert result.sent - result.received <= 1, result


def links_lost(mesh: DaemonMesh) -> list[dict[str, Any]]:
    """Returns the journals' entries of links that went down, of all daemons that run."""
    running = [daemon for daemon in mesh.daemons.values() if daemon.is_running]
    return [event for daemon in running for event in daemon.events(kind="link-down")]
