"""Measures of this repository's daemon alone: starts, restarts, moves, and TCP across a cut."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.support.heal_cases import Figures
from tests.lab.daemon import LabDaemon
from tests.lab.laboratory import Lab
from tests.lab.mesh import DaemonMesh, Edge, line, ring
from tests.lab.ping import Pings, ping
from tests.lab.traffic import answering, stream_tcp
from tests.lab.waiting import wait_until

GOODPUT_SECONDS: Final = 10.0
WARM_SECONDS: Final = 2.0
DOWN_SECONDS: Final = 1.0
USED_AGAIN_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 60.0
REST_PINGS: Final = 100


def start(lab: Lab, directory: Path, number: int) -> Figures:
    """The last of three daemons starts, and pings the first through the second."""
    mesh = _mesh(lab, directory, line("a", "relay", "b"))
    mesh.start(["relay", "b"])
    begin = time.time()
    mesh["a"].start()
    assert answering(mesh["a"].host, [mesh["b"].address], seconds=ANSWER_SECONDS, again_s=0.01), "no answer"
    answered = time.time() - begin
    mesh["a"].wait_ready()
    return {"exec to first link": _first_link(mesh["a"], begin), "exec to first ping": answered}


def restart(lab: Lab, directory: Path, number: int) -> Figures:
    """The only relay is killed and is back a second later."""
    mesh = _settled(lab, directory, line("a", "relay", "b"))
    pings = Pings(mesh["a"].host, mesh["b"].address)
    ping(mesh["a"].host, mesh["b"].address, count=REST_PINGS, interval=pings.interval)
    begin = _kill_and_start(mesh["relay"])
    wait_until(lambda: ping(mesh["a"].host, mesh["b"].address, wait=1).received, USED_AGAIN_SECONDS, "it relays again")
    mesh["relay"].wait_ready()
    return {
        "exec to first link": _first_link(mesh["relay"], begin),
        "exec to first ping": pings.finish().answered_after(begin),
    }


def restart_beside(lab: Lab, directory: Path, number: int) -> Figures:
    """The relay of the shorter way round a ring of five is killed and is back a second later."""
    mesh = _settled(lab, directory, ring("a", "relay", "b", "c", "d"))
    wait_until(lambda: mesh.next_hop("a", "b") == "relay", USED_AGAIN_SECONDS, "the shorter way is taken")
    pings = Pings(mesh["a"].host, mesh["b"].address)
    ping(mesh["a"].host, mesh["b"].address, count=REST_PINGS, interval=pings.interval)
    begin = _kill_and_start(mesh["relay"])
    wait_until(lambda: mesh.next_hop("a", "b") == "relay", USED_AGAIN_SECONDS, "the shorter way is taken again")
    used = time.time() - begin
    ping(mesh["a"].host, mesh["b"].address, count=REST_PINGS, interval=pings.interval)
    return {"exec to used again": used, "outage": pings.finish().outage_s}


def roam(lab: Lab, directory: Path, number: int) -> Figures:
    """One of two neighbours gets another address: in even trials the one that dialled, in odd ones the other."""
    mesh = _settled(lab, directory, line("a", "b"))
    mover = "ab"[number % 2]
    pings = Pings(mesh["a"].host, mesh["b"].address)
    ping(mesh["a"].host, mesh["b"].address, count=REST_PINGS, interval=pings.interval)
    mesh.cable("a", "b").change_address(mesh[mover].host, "10.0.1.77", "fd00:0:0:1::77")
    ping(mesh["a"].host, mesh["b"].address, count=REST_PINGS, interval=pings.interval)
    wait_until(lambda: ping(mesh["a"].host, mesh["b"].address, wait=1).received, ANSWER_SECONDS, "the link has moved")
    result = pings.finish()
    who = "the dialling end moves" if number % 2 == 0 else "the dialled end moves"
    return {f"outage, {who}": result.outage_s, "round trip": result.average_ms / 1e3}


def goodput(lab: Lab, directory: Path, number: int) -> Figures:
    """TCP between opposite corners of a square for 10 s; then again, with the link that carries cut half way.

    The way round is as long as the one that is cut, so that it could carry as much.
    """
    mesh = _settled(lab, directory, ring(*"abcd"))
    one, other = mesh["a"], mesh["c"]
    stream_tcp(one.host, other.host, other.address, seconds=WARM_SECONDS)
    undisturbed = stream_tcp(one.host, other.host, other.address, seconds=GOODPUT_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        across = pool.submit(stream_tcp, one.host, other.host, other.address, seconds=GOODPUT_SECONDS)
        time.sleep(GOODPUT_SECONDS / 2)
        relay = mesh.next_hop("a", "c")
        assert relay is not None, "a has lost its route before the cut"
        mesh.cable("a" if number % 2 == 0 else "c", relay).cut()
        ratio = across.result() / undisturbed
    return {"goodput across a cut, of undisturbed": ratio, "undisturbed, Gbit/s": undisturbed * 8 / 1e9}


MEASURES: Final[dict[str, Callable[[Lab, Path, int], Figures]]] = {
    "start": start,
    "restart": restart,
    "restart-beside": restart_beside,
    "roam": roam,
    "goodput": goodput,
}


def _mesh(lab: Lab, directory: Path, edges: list[Edge]) -> DaemonMesh:
    return DaemonMesh(lab, directory, edges, options=["--log-format", "plain"])


def _settled(lab: Lab, directory: Path, edges: list[Edge]) -> DaemonMesh:
    """Makes a mesh at rest; a has a session with everyone else."""
    mesh = _mesh(lab, directory, edges)
    mesh.start()
    mesh.wait_settled()
    others = {daemon.address for daemon in mesh.daemons.values() if daemon is not mesh["a"]}
    assert answering(mesh["a"].host, sorted(others), seconds=ANSWER_SECONDS) == others, "not all answer"
    return mesh


def _kill_and_start(relay: LabDaemon) -> float:
    """Returns when it was started, by the wall clock."""
    relay.kill()
    time.sleep(DOWN_SECONDS)
    begin = time.time()
    relay.start()
    return begin


def _first_link(daemon: LabDaemon, begin: float) -> float:
    ups = [event["time"] for event in daemon.get("admin/events") if event["kind"] == "link-up"]
    return float(ups[0] - begin)
