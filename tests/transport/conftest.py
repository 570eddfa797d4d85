"""What tests of transports share."""

import socket
from collections.abc import Iterator

import pytest

from mycelium.transport.udp_timestamps import start_timestamping
from tests.lab.waiting import wait_until

DEADLINE_SECONDS = 30.0


@pytest.fixture
def arrival_times() -> Iterator[None]:
    """The kernel notes arrival times, of whatever asks for them, for as long as the test runs."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        wait_until(lambda: start_timestamping(udp), DEADLINE_SECONDS, "the kernel notes arrival times", every_s=0.001)
        yield
