"""Nine relays in a grid, none with a TUN device: what the commands tell of the way from one to another."""

from itertools import permutations
from random import Random

import pytest

from tests.lab.daemon import PROGRAM, LabDaemon
from tests.lab.mesh import DaemonMesh, grid
from tests.lab.waiting import wait_until
from tests.netns.conftest import GIVEN_LINKS, MakeMesh

pytestmark = pytest.mark.netns

PAIRS = 20
PATIENT_S = 30.0
NORTH, SOUTH = "r0c0", "r2c2"


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(grid(3, 3), options=(*GIVEN_LINKS, "--no-tun"))
    for daemon in made.daemons.values():
        daemon.is_traced = True
    made.start()
    made.wait_converged()
    return made


def status_of(daemon: LabDaemon, *arguments: str) -> int:
    """Returns the exit status of a command line about a daemon."""
    return daemon.host.run(PROGRAM, "--api-addr", f"unix:{daemon.api_socket}", *arguments, check=False).returncode


def is_traced_along_next_hops(mesh: DaemonMesh, one: str, other: str) -> bool:
    """Tells whether a trace names the nodes that next hops lead through; they may have changed meanwhile."""
    found = mesh[one].get(f"admin/trace/{mesh[other].address}")
    return [hop["node"] for hop in found["hops"]] == [mesh[name].address for name in mesh.path(one, other)[1:]]


def test_a_trace_is_the_chain_of_next_hops(mesh: DaemonMesh) -> None:
    for one, other in Random(1).sample(list(permutations(mesh.daemons, 2)), PAIRS):
        wait_until(
            lambda one=one, other=other: is_traced_along_next_hops(mesh, one, other),  # type: ignore[misc]
            PATIENT_S,
            f"the trace from {one} to {other} is {mesh.path(one, other)}",
        )


def test_the_commands_agree_on_the_way_to_a_far_node(mesh: DaemonMesh) -> None:
    near, far = mesh[NORTH], mesh[SOUTH]

    def answers() -> bool:
        return any(one["rttMs"] for one in near.cli("ping", "-c", "1", "-w", "5", far.address)["answers"])

    wait_until(answers, PATIENT_S, "the far node answers")
    pinged = near.get(f"admin/ping/{far.public_key}?wait=5")
    assert (pinged["node"], pinged["hops"], pinged["direct"]) == (far.address, 4, False)
    explained = near.cli("explain", far.address)
    assert explained["nextHop"] == near.next_hops()[far.subnet]
    assert {one["nextHop"] for one in explained["candidates"]} == {mesh["r0c1"].address, mesh["r1c0"].address}
    [session] = [one for one in near.cli("sessions") if one["node"] == far.address]
    assert (session["state"], session["direct"]) == ("open", False)
    links = {link["address"]: link for link in near.cli("links")}
    assert links.keys() == {mesh["r0c1"].address, mesh["r1c0"].address}
    assert sum(link["routes"] for link in links.values()) == len(mesh.daemons) - 1


def test_a_node_that_is_gone_is_told_by_status_and_reason(mesh: DaemonMesh) -> None:
    near, gone = mesh[NORTH], mesh["r2c0"]
    gone.stop()
    wait_until(lambda: gone.subnet not in near.reachable_subnets(), PATIENT_S, "its loss is noticed")
    for command in (["ping", "-c", "1"], ["trace"], ["explain"]):
        assert status_of(near, *command, gone.address) == 4, command
    assert status_of(near, "ping", "berlin") == 1
