"""Four daemons in a ring: whatever breaks, packets find the other way round, and come back."""

import signal

import pytest

from tests.lab.daemon import TUN
from tests.lab.mesh import DaemonMesh, line, ring
from tests.lab.ping import ping
from tests.lab.traffic import Stream
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import BACK_SECONDS, HEALED_SECONDS, next_hop, outage_of, wait_left

pytestmark = pytest.mark.netns


@pytest.fixture
def mesh(make_mesh: MakeMesh) -> DaemonMesh:
    """A ring of its own for each test: a link that has died before is damped, as a flapping one should be."""
    mesh = make_mesh(ring("a", "b", "c", "d"))
    mesh.start()
    mesh.wait_converged()
    mesh.wait_linked()
    return mesh


def test_a_silent_cut_heals(mesh: DaemonMesh) -> None:
    hop = next_hop(mesh, "a", "b")
    assert outage_of(mesh["a"], mesh["b"], mesh.cable("a", hop).cut) < HEALED_SECONDS
    wait_left(mesh, "a", "b", hop)


@pytest.mark.parametrize("outward", [True, False], ids=["outward", "inward"])
def test_a_cut_of_one_direction_heals(mesh: DaemonMesh, outward: bool) -> None:
    hop = next_hop(mesh, "a", "b")
    deaf = mesh[hop if outward else "a"].host
    assert outage_of(mesh["a"], mesh["b"], lambda: mesh.cable("a", hop).cut(towards=deaf)) < HEALED_SECONDS
    wait_left(mesh, "a", "b", hop)


def test_a_pulled_plug_heals(mesh: DaemonMesh) -> None:
    cable = mesh.cable("a", next_hop(mesh, "a", "b"))
    assert outage_of(mesh["a"], mesh["b"], lambda: cable.set_carrier(up=False)) < HEALED_SECONDS


def test_tcp_survives_a_silent_cut(mesh: DaemonMesh) -> None:
    one, other = mesh["a"], mesh["b"]
    with Stream(one.host, other.host, other.address) as stream:
        stream.wait_flowing()
        mesh.cable("a", next_hop(mesh, "a", "b")).cut()
        stream.wait_flowing()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_the_loss_of_a_relay_heals_and_leaves_no_device(mesh: DaemonMesh, sign: signal.Signals) -> None:
    relay = mesh[next_hop(mesh, "a", "c")]
    assert outage_of(mesh["a"], mesh["c"], lambda: relay.stop(sign)) < HEALED_SECONDS
    assert not relay.host.has_interface(TUN)


def test_a_partition_is_told_and_ends(mesh: DaemonMesh) -> None:
    for neighbour in "bd":
        mesh.cable("a", neighbour).cut()
    wait_until(lambda: not mesh["a"].reachable_subnets() & {mesh["c"].subnet}, BACK_SECONDS, "a knows that it is alone")

    def is_told() -> bool:
        done = mesh["a"].host.run("ping", "-c", "1", "-W", "1", mesh["c"].address, check=False)
        return "Destination unreachable: No route" in done.stdout

    wait_until(is_told, BACK_SECONDS, "the application is told")
    for neighbour in "bd":
        mesh.cable("a", neighbour).mend()
    wait_until(lambda: ping(mesh["a"].host, mesh["c"].address, wait=1).received, BACK_SECONDS, "a is back")


@pytest.mark.parametrize("edges", [line("a", "b"), [("x", "y"), ("a", "b")]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("mover", ["a", "b"], ids=["dialling", "dialled"])
def test_a_changed_address_is_followed(make_mesh: MakeMesh, edges: list[tuple[str, str]], mover: str) -> None:
    mesh = make_mesh(edges)
    mesh.start("ab")
    mesh.wait_converged()
    cable = mesh.cable("a", "b")
    number = mesh.lab.cables.index(cable) + 1
    host = mesh[mover].host
    move = (f"10.0.{number}.77", f"fd00:0:0:{number}::77")
    assert outage_of(mesh["a"], mesh["b"], lambda: cable.change_address(host, *move)) < HEALED_SECONDS
    other = mesh["a" if mover == "b" else "b"]

    def addresses() -> list[str]:
        return [peer["endpoint"]["socketAddr"] for peer in other.get("admin/peers")]

    wait_until(lambda: [move[number - 1] in one for one in addresses()] == [True], BACK_SECONDS, "the new one is used")
