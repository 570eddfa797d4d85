"""Two joined hosts."""

from collections.abc import Iterator

import pytest

from tests.lab.cable import Cable
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost

Pair = tuple[LabHost, LabHost, Cable]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Lab() as lab:
        one, two = lab.add_hosts(["one", "two"])
        yield one, two, lab.add_cable(one, two)
