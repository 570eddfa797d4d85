"""An outage is seen as long as it is."""

import time

import pytest

from tests.lab.conftest import Pair
from tests.lab.outage import watch

pytestmark = pytest.mark.netns


def test_an_outage_is_measured_between_its_neighbouring_answers(pair: Pair) -> None:
    one, two, cable = pair
    took = 0.0

    def act() -> None:
        nonlocal took
        begin = time.monotonic()
        cable.cut()
        time.sleep(0.3)  # the outage itself
        cable.mend()
        took = time.monotonic() - begin

    outage_s = watch(one, cable.end(two).ipv4, act, seconds=10, rest_pings=10).outage_s
    assert 0.3 <= outage_s < took + 1.0  # a busy machine is late


def test_what_does_not_heal_fails(pair: Pair) -> None:
    one, two, cable = pair
    with pytest.raises(AssertionError, match="answered again"):
        watch(one, cable.end(two).ipv4, cable.cut, seconds=0.5, rest_pings=5)
