"""A relay that ends and comes back is used again: killed, with or without what it knew of time, or stopped as the only one."""

import time
from typing import Final

import pytest

from tests.lab.mesh import DaemonMesh, ring
from tests.netns.conftest import MakeMesh
from tests.netns.healing import (
    HEALED_SECONDS,
    next_hop,
    outage_of,
    wait_answered,
    wait_next_hop,
    wait_told,
)

pytestmark = pytest.mark.netns

HOUR: Final = 3_600
RELAYS: Final = ("r", "s")


@pytest.fixture
def mesh(make_mesh: MakeMesh) -> DaemonMesh:
    """Two relays between a and b."""
    return make_mesh(ring("a", "r", "b", "s"))


def start(mesh: DaemonMesh) -> tuple[str, str]:
    """Starts all and returns which relay carries from a to b, and the other."""
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    used = next_hop(mesh, "a", "b")
    [spare] = set(RELAYS) - {used}
    return used, spare


def sequence_of(mesh: DaemonMesh, name: str) -> int:
    """Returns the sequence of the node's announcement that a goes by."""
    [route] = [one for one in mesh["a"].get("admin/routes/selected") if one["subnet"] == mesh[name].subnet]
    return int(route["sequence"])


def restart(mesh: DaemonMesh, relay: str) -> None:
    """Kills the relay, sees that pings take the other way, and starts it a second later."""
    assert outage_of(mesh["a"], mesh["b"], mesh[relay].kill) < HEALED_SECONDS
    time.sleep(1.0)
    mesh.start([relay])


def assert_used_again(mesh: DaemonMesh, relay: str, spare: str) -> None:
    """The relay is reached, and carries when the other one is gone."""
    for end in "ab":
        wait_answered(mesh[end], mesh[relay], "the relay itself is reached")
    assert outage_of(mesh["a"], mesh["b"], mesh[spare].kill) < HEALED_SECONDS
    wait_next_hop(mesh, "a", "b", relay)
    wait_next_hop(mesh, "b", "a", relay)


@pytest.mark.parametrize("is_lost", [False, True], ids=["remembering", "forgetful"])
def test_a_killed_relay_whose_clock_was_set_back_is_used_again(mesh: DaemonMesh, is_lost: bool) -> None:
    """Its start before was an hour later than this one; whether it remembers that or not, the mesh does."""
    later = int(time.time()) + HOUR
    for name in RELAYS:
        mesh[name].epoch_file.write_text(f"{later}\n")
    used, spare = start(mesh)
    since, before = mesh["a"].newest_event(), sequence_of(mesh, used)
    assert before >> 16 > later
    if is_lost:
        mesh[used].epoch_file.unlink()
    restart(mesh, used)
    assert is_lost == (int(mesh[used].epoch_file.read_text().split()[-1]) < later)
    assert_used_again(mesh, used, spare)
    assert sequence_of(mesh, used) > before
    assert (mesh[used].counters()["routing_sequence_jumps"] > 0) == is_lost
    assert_told(mesh, used, spare, since)


def assert_told(mesh: DaemonMesh, used: str, spare: str, since: int) -> None:
    """The journal has the loss of the relay, the way around it, its return, and the way by it again."""
    b, first, second = (mesh[name].address for name in ("b", used, spare))
    wait_told(mesh["a"], "link-down", since, node=first, cause="silent")
    away = wait_told(mesh["a"], "route", since, node=b, before=first, after=second)
    wait_told(mesh["a"], "link-up", since, node=first)
    back = wait_told(mesh["a"], "route", away["sequence"], node=b, before=second, after=first)
    assert away["cause"]
    assert back["cause"]


def test_a_hub_that_was_stopped_is_used_as_soon_as_it_is_back(make_mesh: MakeMesh) -> None:
    """Its neighbours dial it all the time meanwhile, and have the routes over it with its first message."""
    star = make_mesh([(leaf, "hub") for leaf in "abc"], options=["--no-shortcuts"])
    star.start()
    star.wait_converged()
    since, hub = star["a"].newest_event(), star["hub"]

    def restart() -> None:
        hub.stop()
        star.start(["hub"])

    assert outage_of(star["a"], star["b"], restart) < HEALED_SECONDS
    wait_answered(star["c"], hub)
    wait_told(star["a"], "link-down", since, node=hub.address, cause="closed")
    wait_told(star["a"], "link-up", since, node=hub.address)
