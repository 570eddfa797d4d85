"""Thirteen daemons whose tables hold four nodes each, but one that keeps all it hears of: the rest is reached by its home."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.lab.daemon import PROGRAM, LabDaemon
from tests.lab.mesh import DaemonMesh, ring
from tests.lab.traffic import Stream, answering, exchange_tcp
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import HEALED_SECONDS, NEXT_HOP_SECONDS, outage_of, wait_answered

pytestmark = pytest.mark.netns

RING: Final = "abcdefghij"
LANDMARKS: Final = "cdhi"
HOMES: Final = 2
FULL: Final = "e"
LEAF = "x"  # the shortest way across the ring for many
MOVERS = MOVER, OTHER = "y", "z"  # have links with b and g, one at a time: near b c and d are homes, near g h and i
K: Final = 4
MOST_ROUTES: Final = (
    2 * K + len(LANDMARKS) + 4
)  # half as many again as K, neighbours, landmarks, and who is pinned on the way to its homes
REACHED_SECONDS: Final = 90.0  # until the last of a hundred sessions answers, on a busy machine
UNREACHABLE: Final = 4  # exit status


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    movers = [(mover, end) for mover in MOVERS for end in "bg"]
    edges = [*ring(*RING), (LEAF, "a"), (LEAF, "f"), *movers]
    made = make_module_mesh(edges)
    for name, daemon in made.daemons.items():
        daemon.options += [] if name == FULL else ["--routes", str(K)]
        daemon.options += ["--landmark", "yes" if name in LANDMARKS else "no"]
    made[LEAF].options.append("--no-transit")
    made.cable(MOVER, "g").cut()
    made.cable(OTHER, "b").cut()
    for daemon in made.daemons.values():
        daemon.is_traced = True
    made.start()
    wait_until(lambda: not strays(made), PATIENCE_S, lambda: f"{strays(made)} have no home")
    wait_until(lambda: not unknown_to(made, "a"), PATIENCE_S, lambda: f"a knows no way to {unknown_to(made, 'a')}")
    return made


def strays(mesh: DaemonMesh) -> list[str]:
    """Returns the nodes that have not two homes, or one if they are landmarks."""
    homes = {name: daemon.get("admin/status")["home"] for name, daemon in mesh.daemons.items() if daemon.is_running}
    return [name for name, its in homes.items() if len(its) < (1 if name in LANDMARKS else HOMES)]


def unknown_to(mesh: DaemonMesh, name: str) -> list[str]:
    """Returns the nodes of which no landmark has told one node yet where they are at home."""
    others = [other for other in mesh.daemons if other != name]
    return [other for other in others if ask(mesh[name], "explain", mesh[other].address)[0] != 0]


def ask(daemon: LabDaemon, *command: str) -> tuple[int, Any]:
    """Returns exit status and JSON of a command."""
    done = daemon.host.run(PROGRAM, "--api-addr", f"unix:{daemon.api_socket}", *command, "--json", check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def strangers(mesh: DaemonMesh) -> tuple[LabDaemon, LabDaemon]:
    """Returns a plain node of the ring and another one to which that keeps no route.

    None is a stranger to all for sure: a node keeps those that are pinned at it, as while partners meet near it.
    """
    kept = {name: mesh[name].reachable_subnets() for name in RING if name not in LANDMARKS + FULL}
    pairs = ((one, RING[(RING.index(one) + far) % 10]) for far in (5, 4, 6, 3, 7) for one in kept)
    return next((mesh[one], mesh[other]) for one, other in pairs if mesh[other].subnet not in kept[one])


def test_all_reach_all_and_none_keeps_many_routes(mesh: DaemonMesh) -> None:
    addresses = {name: daemon.address for name, daemon in mesh.daemons.items()}
    with ThreadPoolExecutor(4) as pool:
        jobs = {
            name: pool.submit(answering, daemon.host, list(addresses.values()), seconds=REACHED_SECONDS)
            for name, daemon in mesh.daemons.items()
        }
        silent = [
            (name, other) for name, job in jobs.items() for other in addresses if addresses[other] not in job.result()
        ]
    assert silent == []
    small = [daemon for name, daemon in mesh.daemons.items() if name != FULL]
    assert max(len(daemon.reachable_subnets()) for daemon in small) <= MOST_ROUTES
    plain = [daemon for name, daemon in mesh.daemons.items() if name not in LANDMARKS]
    assert min(len(daemon.reachable_subnets()) for daemon in plain) < len(mesh.daemons) - 1
    assert sum(daemon.counters()["trains_wrapped"] for daemon in plain) > 0


def test_commands_say_by_which_home_a_node_is_reached(mesh: DaemonMesh) -> None:
    one, other = strangers(mesh)
    homes = other.get("admin/status")["home"]
    status, found = ask(one, "explain", other.address)
    assert (status, found["hasRoute"], found["cost"], found["error"]) == (0, False, None, None)
    assert found["nextHop"] in {mesh[name].address for edge in mesh.cables for name in edge if one.name in edge}
    assert set(found["homes"]) <= set(homes) | {mesh[name].address for name in LANDMARKS}
    status, told = ask(one, "ping", other.address, "-c", "1", "-w", "9")
    (answer,) = told["answers"]
    assert (status, answer["error"], answer["hasRoute"]) == (0, None, False), told
    assert answer["waypoint"]
    status, traced = ask(one, "trace", other.address)
    assert (status, traced["reached"], traced["hops"][-1]["node"]) == (0, True, other.address), traced
    (session,) = [each for each in ask(one, "sessions")[1] if each["node"] == other.address]
    assert (session["hasRoute"], bool(session["waypoint"]), bool(session["nextHop"])) == (False, True, True)

    def shown() -> tuple[bool, int, int]:
        status = one.get("admin/status")
        return status["isTableFull"], status["landmarks"], len(status["home"])

    # a landmark that has no turn is lost for a moment
    wait_until(lambda: shown() == (True, len(LANDMARKS), HOMES), PATIENCE_S, lambda: f"{shown()} are all")


def test_an_address_that_nobody_has_is_exit_status_4_with_the_reason(mesh: DaemonMesh) -> None:
    why = f"there is no route to it here, and none of {len(LANDMARKS)} landmarks has told where it is at home"
    for command in (["explain"], ["trace"], ["ping", "-c", "1"]):
        status, found = ask(mesh["a"], *command, "4aa:1:2:3::4")
        found = found["answers"][0] if command[0] == "ping" else found
        assert (status, found["nextHop"], found["error"]) == (UNREACHABLE, None, why)


def test_tcp_arrives_unchanged_while_both_ends_find_a_nearer_waypoint(mesh: DaemonMesh) -> None:
    one, other = strangers(mesh)
    exchange_tcp(one.host, other.host, other.address, 20_000_000, seconds=90)


def test_a_leaf_carries_nothing_for_others(mesh: DaemonMesh) -> None:
    assert mesh[LEAF].counters()["trains_forwarded"] == 0
    wait_answered(mesh[LEAF], mesh["d"])
    assert all(mesh[LEAF].address not in daemon.next_hops().values() for daemon in (mesh["b"], mesh["g"]))


def test_two_partners_that_change_places_find_each_other_again(mesh: DaemonMesh) -> None:
    """Each has left both homes that the other one knows, and what it tells of its new ones goes to homes that are left too."""
    one, other = mesh[MOVER], mesh[OTHER]
    wait_home(one, mesh["c"])
    wait_home(other, mesh["h"])
    wait_answered(one, other)
    for name, before, after in ((MOVER, "b", "g"), (OTHER, "g", "b")):
        mesh.cable(name, before).cut()
        mesh.cable(name, after).mend()
    wait_home(one, mesh["h"])
    wait_home(other, mesh["c"])
    wait_answered(one, other)


def test_a_node_that_moves_keeps_its_sessions(mesh: DaemonMesh) -> None:
    mover, other = mesh[OTHER], mesh["e"]
    wait_home(mover, mesh["c"])
    wait_answered(mover, other)
    with Stream(mover.host, other.host, other.address) as stream:
        stream.wait_flowing(PATIENCE_S)
        mesh.cable(OTHER, "g").mend()
        mesh.cable(OTHER, "b").cut()
        wait_until(lambda: mover.alive_peers() == {mesh["g"].public_key}, PATIENCE_S, "the mover is at g alone")
        stream.wait_flowing(PATIENCE_S)
        wait_home(mover, mesh["h"])
        stream.wait_flowing(PATIENCE_S)
    wait_answered(mesh["a"], mover)


def wait_home(daemon: LabDaemon, home: LabDaemon) -> None:
    """Waits until a landmark is the first home of a node; costs measured on a busy machine come down late."""
    wait_until(
        lambda: daemon.get("admin/status")["home"][:1] == [home.address],
        NEXT_HOP_SECONDS,
        lambda: f"{daemon.name} is at home at {daemon.get('admin/status')['home']}",
    )


def test_a_landmark_is_killed_and_traffic_goes_on(mesh: DaemonMesh) -> None:
    first = mesh["c"]
    one, other = mesh["b"], mesh["f"]
    wait_home(one, first)
    assert outage_of(other, one, first.kill) < HEALED_SECONDS
    wait_until(
        lambda: all(
            first.address not in (homes := daemon.get("admin/status")["home"]) and len(homes) == HOMES
            for name, daemon in mesh.daemons.items()
            if daemon.is_running and name not in LANDMARKS
        ),
        PATIENCE_S,
        "all have two homes, and c is none",
    )
    for name in "adgj":
        wait_answered(mesh[name], one)
        wait_answered(one, mesh[name])
