"""A relay between two hosts, which forwards nothing by itself."""

from collections.abc import Iterator

import pytest

from mycelium.transport.underlay import Underlay
from tests.lab.cable import CableEnd
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost


class Bench:
    """Two ends, each on a cable of its own to the relay."""

    def __init__(self, lab: Lab) -> None:
        self.relay, self.one, self.other = lab.add_hosts(["r", "a", "b"])
        self.ends: list[tuple[CableEnd, CableEnd]] = []  # of each cable: the end's, the relay's
        for host in (self.one, self.other):
            cable = lab.add_cable(host, self.relay)
            self.ends.append((cable.end(host), cable.end(self.relay)))
        self.underlay = Underlay()

    def rules(self, host: LabHost | None = None) -> str:
        return (host or self.relay).run("nft", "list", "ruleset").stdout


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Lab() as lab:
        made = Bench(lab)
        yield made
        made.underlay.close()
