"""What a link between real daemons has been through does not slow it down."""

from typing import Final

import pytest

from tests.lab.cable import Cable
from tests.lab.daemon import LabDaemon
from tests.lab.traffic import iperf
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = pytest.mark.netns

LOSS_PERCENT: Final = 1.0
LOADS: Final = (("-P", "4"), ("-u", "-b", "0", "-l", "1200"), ("--bidir",), ("-u", "-b", "0", "-l", "64"), ("-R",))
AS_FAST: Final = 0.5  # of a fresh link: how much one second differs from the next on a busy machine
SOON_SECONDS: Final = 30.0


def bits_per_second(one: LabDaemon, other: LabDaemon) -> float:
    report = iperf(one.host, other.host, other.address, seconds=1)
    return float(report["end"]["sum_received"]["bits_per_second"])


def test_a_lossy_link_is_as_fast_after_floods_as_one_that_had_none(make_mesh: MakeMesh) -> None:
    """They are measured by turns, since a machine that others use is not as fast in one minute as in the next."""
    mesh = make_mesh([("a", "b"), ("c", "d")])
    mesh.start()
    mesh.wait_linked()
    a, b, c, d = mesh.daemons.values()
    load(a, b, mesh.cable("a", "b"))
    for cable in mesh.lab.cables:
        cable.lose(LOSS_PERCENT)
    bits_per_second(c, d)
    wait_until(
        lambda: bits_per_second(a, b) > AS_FAST * bits_per_second(c, d), SOON_SECONDS, "it is as fast as the other one"
    )


def load(one: LabDaemon, other: LabDaemon, cable: Cable) -> None:
    """Has traffic lose frames, and then floods the link while it loses nothing."""
    cable.lose(LOSS_PERCENT)
    bits_per_second(one, other)
    cable.lose(0)
    for options in LOADS:
        iperf(one.host, other.host, other.address, *options, seconds=1)
