"""Laboratories and meshes for the tests with real daemons, and the daemons' logs where one fails."""

import contextlib
import os
import random
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from tests.lab.daemon import LabDaemon
from tests.lab.laboratory import TOOLS, Lab, is_available, remove_leftovers
from tests.lab.mesh import DaemonMesh
from tests.lab.namespaces import LabHost
from tests.lab.pauses import Pauses

LABS: Final = pytest.StashKey[list[Lab]]()

MakeMesh = Callable[..., DaemonMesh]
GIVEN_LINKS: Final = ("--no-shortcuts",)
PAUSES_APART_S: Final = (0.05, 0.2)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LABS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the daemons wrote when a test fails."""
    report = yield
    if report.failed:
        for lab in item.config.stash[LABS]:
            report.sections += [(f"log of {daemon.name}", daemon.log_tail()) for daemon in lab.daemons]
    return report


@pytest.fixture(scope="session", autouse=True)
def _tidy_system() -> None:
    assert is_available(), f"this needs root and {', '.join(TOOLS)}"
    remove_leftovers()


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An empty laboratory of the test's own."""
    yield from _lab(request.config)


@pytest.fixture(scope="module")
def module_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An empty laboratory that the tests of a module share."""
    yield from _lab(request.config)


@pytest.fixture
def make_mesh(lab: Lab, tmp_path: Path) -> MakeMesh:
    """Makes a mesh of the test's own, as `DaemonMesh(lab, directory, ...)`; nothing is started yet.

    Links are those that the test names: a relay's kernel may give two ends one more, which tests of shortcuts and leases try.
    """
    return lambda *arguments, **options: DaemonMesh(lab, tmp_path, *arguments, **{"options": GIVEN_LINKS} | options)


@pytest.fixture(scope="module")
def make_module_mesh(module_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> MakeMesh:
    """Makes a mesh that the tests of a module share."""
    folder = tmp_path_factory.mktemp("nodes")
    return lambda *arguments, **options: DaemonMesh(
        module_lab, folder, *arguments, **{"options": GIVEN_LINKS} | options
    )


def _pauses(lab: Lab) -> contextlib.AbstractContextManager[object]:
    """Stops daemons again and again if the environment has a seed for it: what fails then may trust in a quick machine."""
    seed = os.environ.get("MYCELIUM_LAB_PAUSES")
    daemons = cast("list[LabDaemon]", lab.daemons)
    return Pauses(daemons, apart_s=PAUSES_APART_S, rng=random.Random(seed)) if seed else contextlib.nullcontext()


def _lab(config: pytest.Config) -> Iterator[Lab]:
    with Lab() as made, _pauses(made):
        config.stash[LABS].append(made)
        yield made
        complaints = [complaint for daemon in made.daemons if (complaint := daemon.complaint())]
        logs = [f"{daemon.name}:\n{daemon.log_tail()}" for daemon in made.daemons if complaints]
        config.stash[LABS].remove(made)
    assert not complaints, "\n".join(complaints + logs)


def on_one_switch(lab: Lab, names: str) -> list[LabHost]:
    """Makes hosts whose first interfaces share a link."""
    switch, *hosts = lab.add_hosts(["switch", *names])
    switch.ip("link add switch type bridge", "link set switch up")
    for host in hosts:
        port = lab.add_cable(switch, host).end(switch).interface
        switch.ip(f"link set {port} master switch")
    return hosts
