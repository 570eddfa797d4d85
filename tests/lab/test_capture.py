"""What crosses a wire is heard, and what is forged arrives as forged."""

import socket

import pytest

from tests.lab.capture import Capture, Forger
from tests.lab.conftest import Pair
from tests.lab.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.netns
PORT = 5_000


def test_a_forged_datagram_is_heard_and_comes_from_whom_it_says(pair: Pair) -> None:
    one, two, cable = pair
    target = (cable.end(two).ipv4, PORT)
    cable.end(two).host.sysctl("net.ipv4.conf.all.rp_filter", 0)
    with two.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, Capture(two, "eth0", PORT) as capture, Forger(one, ("10.0.1.99", 77), target) as forger:
        receiver.bind(target)
        receiver.settimeout(PATIENCE_S)
        forger.send(b"not from here")
        assert receiver.recvfrom(100) == (b"not from here", ("10.0.1.99", 77))
        wait_until(lambda: b"not from here" in capture.payloads, PATIENCE_S, "the datagram is captured")


def test_other_ports_are_not_captured(pair: Pair) -> None:
    one, two, cable = pair
    target = cable.end(two).ipv4
    with (
        Capture(two, "eth0", PORT) as capture,
        Forger(one, ("10.0.1.1", 77), (target, PORT + 1)) as other,
        Forger(one, ("10.0.1.1", 77), (target, PORT)) as wanted,
    ):
        other.send(b"no")
        wanted.send(b"yes")
        wait_until(lambda: capture.payloads, PATIENCE_S, "a datagram is captured")
        assert capture.payloads == [b"yes"]
