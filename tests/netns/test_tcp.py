"""A mesh over TCP, where a firewall drops UDP; meshes that mix both; and what happens when a connection is killed."""

from collections.abc import Callable

import pytest

from tests.lab.cable import Cable
from tests.lab.daemon import PORT, LabDaemon
from tests.lab.mesh import DaemonMesh, line
from tests.lab.traffic import exchange_tcp
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh
from tests.netns.healing import HEALED_SECONDS, outage_of, wait_answered

pytestmark = pytest.mark.netns


def block_udp(cable: Cable) -> None:
    for end in cable.ends:
        end.set_filter("meta l4proto udp drop")


def dial_by_tcp(daemon: LabDaemon, *, beside_udp: bool = False) -> None:
    by_tcp = [url.replace("udp://", "tcp://") for url in daemon.peers]
    daemon.peers = [*daemon.peers, *by_tcp] if beside_udp else by_tcp


def schemes(one: LabDaemon, other: LabDaemon) -> set[str]:
    """Returns over which transports a neighbour is reached now."""
    return {p["endpoint"]["scheme"] for p in one.get("admin/peers") if p.get("publicKey") == other.public_key}


def reset_connections(daemon: LabDaemon) -> None:
    """Kills the daemon's TCP connections as a firewall that has lost its state does: the next segments are answered by RST."""
    rules = "\n ".join(f"tcp {side} {PORT} tcp flags & rst == 0 reject with tcp reset" for side in ("sport", "dport"))
    table = "table inet killer"
    chain = f"chain out {{\n type filter hook output priority 0\n {rules}\n }}\n"
    daemon.host.apply_rules(f"{table}\ndelete {table}\n{table} {{\n {chain} }}\n")
    wait_until(lambda: not established(daemon), 30, "its connections are gone")
    daemon.host.apply_rules(f"{table}\ndelete {table}\n")


def established(daemon: LabDaemon) -> list[str]:
    output = daemon.host.run("ss", "-Htn", "state", "established", f"( sport = :{PORT} or dport = :{PORT} )").stdout
    return [row for row in output.splitlines() if row]


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    """Three in a line, with a firewall on each cable that drops UDP."""
    made = make_module_mesh(line("a", "b", "c"))
    for cable in made.cables.values():
        block_udp(cable)
    for daemon in made.daemons.values():
        dial_by_tcp(daemon)
    made.start()
    made.wait_converged()
    return made


@pytest.mark.parametrize("size", [8, 1_352, 65_000])
def test_pings_cross_where_udp_is_dropped(mesh: DaemonMesh, size: int) -> None:
    wait_answered(mesh["a"], mesh["c"])  # fragments of more than one packet exceed what may wait for a session
    wait_answered(mesh["a"], mesh["c"], count=5, size=size)
    assert schemes(mesh["a"], mesh["b"]) == schemes(mesh["b"], mesh["c"]) == {"tcp"}


def test_a_transfer_both_ways_arrives_unchanged(mesh: DaemonMesh) -> None:
    exchange_tcp(mesh["a"].host, mesh["c"].host, mesh["c"].address, 30_000_000, seconds=60)


def test_a_killed_connection_is_dialled_again_at_once(mesh: DaemonMesh) -> None:
    a, b, c = (mesh[name] for name in "abc")
    for daemon in (a, b):  # the end that dials, and the one that is dialled
        outage = outage_of(a, c, lambda daemon=daemon: reset_connections(daemon))  # type: ignore[misc]
        assert outage < HEALED_SECONDS
        wait_answered(a, c)
    wait_until(lambda: len(established(b)) == 2, 30, "there is one connection with each neighbour")


def test_a_network_that_was_away_for_long_is_back_soon_after(mesh: DaemonMesh) -> None:
    """TCP itself would wait: the intervals of its retransmissions have doubled meanwhile."""
    a, c = mesh["a"], mesh["c"]
    cable = mesh.cable("a", "b")
    cable.cut()
    wait_until(lambda: mesh.next_hop("a", "c") is None, 30, "a has lost its only link")
    wait_until(lambda: not established(a), 30, "its connection is given up")
    block_udp(cable)
    outage = outage_of(a, c, lambda: None)
    assert outage < HEALED_SECONDS


def test_udp_and_tcp_mix_in_one_mesh(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b", "c"))
    dial_by_tcp(mesh["a"])
    mesh.start()
    mesh.wait_converged()
    wait_answered(mesh["a"], mesh["c"])
    assert (schemes(mesh["a"], mesh["b"]), schemes(mesh["b"], mesh["c"])) == ({"tcp"}, {"udp"})
    exchange_tcp(mesh["a"].host, mesh["c"].host, mesh["c"].address, 10_000_000, seconds=60)


def test_both_for_one_neighbour_are_two_paths_of_one_link(make_mesh: MakeMesh) -> None:
    """UDP is preferred; where it begins to be dropped, TCP takes over and nothing is lost for long."""
    mesh = make_mesh(line("a", "b"))
    a, b = mesh["a"], mesh["b"]
    dial_by_tcp(a, beside_udp=True)
    mesh.start()
    mesh.wait_converged()

    def ways() -> list[str]:
        return [peer["url"] for peer in a.get("admin/peers") if peer.get("publicKey") == b.public_key]

    wait_until(lambda: len(ways()) == 2, 20, "both URLs lead to b")
    assert_moves(a, b, "udp")
    outage = outage_of(a, b, lambda: block_udp(mesh.cable("a", "b")))
    assert outage < HEALED_SECONDS
    assert_moves(a, b, "tcp")
    for end in mesh.cable("a", "b").ends:
        end.set_filter("")
    assert_moves(a, b, "udp")


def assert_moves(one: LabDaemon, other: LabDaemon, scheme: str) -> None:
    is_so: Callable[[], bool] = lambda: schemes(one, other) == schemes(other, one) == {scheme}  # noqa: E731
    wait_until(is_so, 40, lambda: f"both send by {scheme}, but {schemes(one, other)}, {schemes(other, one)}")
