"""What a link between real daemons has been through does not slow it down."""

from typing import Final

import pytest

from tests.lab.cable import Cable
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import line
from tests.lab.traffic import iperf
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

LOSS_PERCENT: Final = 1.0
LOADS: Final = (("-P", "4"), ("-u", "-b", "0", "-l", "1200"), ("--bidir",), ("-u", "-b", "0", "-l", "64"), ("-R",))
AS_FAST: Final = 0.5  # of a fresh link: what a busy machine leaves of it
SOON_SECONDS: Final = 30.0


def bits_per_second(one: LabDaemon, other: LabDaemon) -> float:
    report = iperf(one.host, other.host, other.address, seconds=1)
    return float(report["end"]["sum_received"]["bits_per_second"])


def test_a_lossy_link_is_as_fast_after_floods_as_before(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(line("a", "b"))
    mesh.start()
    mesh.wait_converged()
    one, other, cable = mesh["a"], mesh["b"], mesh.cable("a", "b")
    cable.lose(LOSS_PERCENT)
    bits_per_second(one, other)
    fresh = bits_per_second(one, other)
    load(one, other, cable)
    wait_until(lambda: bits_per_second(one, other) > AS_FAST * fresh, SOON_SECONDS, "it is as fast as before")


def load(one: LabDaemon, other: LabDaemon, cable: Cable) -> None:
    """Floods a link that loses nothing, and then goes on losing."""
    cable.lose(0)
    for options in LOADS:
        iperf(one.host, other.host, other.address, *options, seconds=1)
    cable.lose(LOSS_PERCENT)
