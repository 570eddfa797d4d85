"""A line of hosts that benchmarks send traffic along."""

from dataclasses import dataclass
from typing import Final

from tests.lab.cable import Cable
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost, pids_in
from tests.lab.ping import answers
from tests.lab.process import cpu_seconds, rss_bytes
from tests.lab.waiting import wait_until

READY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Line:
    """A line of hosts that is up: traffic goes from the first to `address`, which the last one has.

    Between measurements nothing runs in its hosts but what makes the line.
    """

    first: LabHost
    last: LabHost
    address: str
    cables: list[Cable]

    def pids(self) -> list[int]:
        """Returns the processes of both ends."""
        return [*pids_in(self.first.namespace), *pids_in(self.last.namespace)]

    def rss_bytes(self) -> int:
        """Returns the memory that is held at the end that holds more."""
        return max(sum(map(rss_bytes, pids_in(host.namespace))) for host in (self.first, self.last))


def cpu_seconds_of(pids: list[int]) -> float:
    """Returns the processor time that processes have used together."""
    return sum(map(cpu_seconds, pids))


def names_of(relays: int) -> list[str]:
    """Returns the names of the hosts of a line."""
    return [f"n{number}" for number in range(relays + 2)]


def two_hosts(lab: Lab, relays: int) -> list[LabHost]:
    """Makes the hosts of a line that can have no relays, and their cable."""
    if relays:
        raise ValueError("this system has no relays")
    hosts = lab.add_hosts(names_of(0))
    lab.add_cable(*hosts)
    return hosts


def checked(made: Line) -> Line:
    """Returns the line once its last host answers."""
    wait_until(lambda: answers(made.first, made.address), READY_SECONDS, f"{made.address} answers")
    return made
