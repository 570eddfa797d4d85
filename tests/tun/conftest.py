"""One host in a namespace of its own, and one with a device."""

from collections.abc import Iterator

import pytest

from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.tun.support import LEFT, Side, bring_up


@pytest.fixture
def host() -> Iterator[LabHost]:
    with Lab() as lab:
        yield lab.add_hosts(["one"])[0]


@pytest.fixture
def side(host: LabHost) -> Iterator[Side]:
    side = bring_up(host, LEFT)
    yield side
    side.tun.close()
