"""Twenty daemons on a random graph: all reach all, cheaply."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.mesh import DaemonMesh, random_graph
from tests.lab.traffic import answering
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

NODES = 20
EDGES = 30
WATCHED_SECONDS = 5.0
QUIET_SECONDS = 90.0
PATIENT_SECONDS = 120.0  # four hundred sessions, perhaps on a busy machine
CPU_SHARE = 0.02  # of a core, each
RSS_BYTES = 70 << 20


@pytest.fixture(scope="module")
def mesh(make_module_mesh: MakeMesh) -> DaemonMesh:
    made = make_module_mesh(random_graph(NODES, EDGES, seed=1))
    made.start()
    made.wait_converged()
    return made


def test_all_pairs_reach_each_other(mesh: DaemonMesh) -> None:
    addresses = {name: daemon.address for name, daemon in mesh.daemons.items()}
    with ThreadPoolExecutor(4) as pool:
        jobs = {
            name: pool.submit(answering, daemon.host, list(addresses.values()), seconds=PATIENT_SECONDS)
            for name, daemon in mesh.daemons.items()
        }
        silent = {
            f"{name} to {other}"
            for name, job in jobs.items()
            for other, address in addresses.items()
            if address not in job.result()
        }
    assert silent == set()


def test_each_is_small(mesh: DaemonMesh) -> None:
    assert {name: size for name, daemon in mesh.daemons.items() if (size := daemon.rss_bytes()) > RSS_BYTES} == {}


def test_each_becomes_quiet(mesh: DaemonMesh) -> None:
    """Sessions and links that were just used are probed for a while; then there is next to nothing to do."""
    wait_until(lambda: not busy(mesh), QUIET_SECONDS, lambda: f"processor shares of {busy(mesh)}")


def busy(mesh: DaemonMesh) -> dict[str, float]:
    """Watches all daemons for some seconds and returns the share of a core of those that use too much."""
    before = {name: daemon.cpu_seconds() for name, daemon in mesh.daemons.items()}
    begin = time.monotonic()
    time.sleep(WATCHED_SECONDS)
    spent = time.monotonic() - begin
    shares = {name: (daemon.cpu_seconds() - before[name]) / spent for name, daemon in mesh.daemons.items()}
    return {name: share for name, share in shares.items() if share > CPU_SHARE}
