"""What a cable says it does to the traffic of two plain hosts, it does."""

import socket
import sys

import pytest

from tests.lab.conftest import Pair
from tests.lab.namespaces import LabHost
from tests.lab.ping import ping
from tests.lab.traffic import iperf
from tests.lab.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.netns


def loss(host: LabHost, address: str, count: int = 100) -> float:
    result = ping(host, address, count=count, interval=0.002, wait=1)
    return 1 - result.received / result.sent


def test_a_cable_carries_both_families(pair: Pair) -> None:
    one, two, cable = pair
    for address in (cable.end(two).ipv4, cable.end(two).ipv6):
        assert ping(one, address, count=3).received == 3


def test_a_cut_is_silent_and_can_be_mended(pair: Pair) -> None:
    one, two, cable = pair
    ping(one, cable.end(two).ipv4)
    cable.cut()
    assert loss(one, cable.end(two).ipv4) == 1
    assert "LOWER_UP" in one.run("ip", "link", "show", "eth0").stdout
    cable.mend()
    assert loss(one, cable.end(two).ipv4) == 0


def test_a_cut_may_be_one_way(pair: Pair) -> None:
    one, two, cable = pair
    with two.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((cable.end(two).ipv4, 0))
        receiver.settimeout(PATIENCE_S)
        ping(one, cable.end(two).ipv4)
        cable.cut(towards=one)
        assert loss(one, cable.end(two).ipv4) == 1
        sender.sendto(b"still heard", receiver.getsockname())
        assert receiver.recv(100) == b"still heard"


def test_loss_is_about_what_was_asked(pair: Pair) -> None:
    one, two, cable = pair
    ping(one, cable.end(two).ipv4)  # a lost question for the address would lose all
    cable.lose(20)
    result = ping(one, cable.end(two).ipv4, count=500, interval=0.002, wait=1)  # fewer on a busy machine
    lost = result.sent - result.received
    assert 0.2 < lost / result.sent < 0.55  # either way: 36 %
    assert cable.dropped() >= lost


def test_super_packets_are_lost_in_parts(pair: Pair) -> None:
    one, two, cable = pair
    ping(one, cable.end(two).ipv4)
    cable.lose(30)
    with two.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((cable.end(two).ipv4, 0))
        receiver.settimeout(0.2)
        segmented = [(socket.SOL_UDP, 103, (1_000).to_bytes(2, sys.byteorder))]
        sender.sendmsg([bytes(50_000)], segmented, 0, receiver.getsockname())
        came = 0
        try:
            while receiver.recv(2_000):
                came += 1
        except TimeoutError:
            assert 15 < came < 50


def test_a_rate_holds_until_it_is_taken_away(pair: Pair) -> None:
    one, two, cable = pair

    def megabits() -> float:
        return float(iperf(one, two, cable.end(two).ipv4, seconds=1)["end"]["sum_received"]["bits_per_second"]) / 1e6

    cable.limit(50, queue_s=0.01)
    measured: list[float] = []

    def is_reached() -> bool:
        measured.append(megabits())
        return measured[-1] > 30

    wait_until(is_reached, PATIENCE_S, lambda: f"the rate is reached: {measured}")
    assert max(measured) < 60
    assert cable.dropped() > 0
    cable.limit(0, queue_s=0)
    wait_until(lambda: megabits() > 100, PATIENCE_S, "the rate is gone")


def test_an_mtu_holds(pair: Pair) -> None:
    _, two, cable = pair
    cable.set_mtu(1_280)
    assert "mtu 1280" in two.run("ip", "link", "show", "eth0").stdout


def test_pulling_the_plug_shows_at_both_ends(pair: Pair) -> None:
    _, two, cable = pair
    cable.set_carrier(up=False)
    assert "LOWER_UP" not in two.run("ip", "link", "show", "eth0").stdout
    cable.set_carrier(up=True)
    assert "LOWER_UP" in two.run("ip", "link", "show", "eth0").stdout


def test_a_host_can_move_to_other_addresses(pair: Pair) -> None:
    one, two, cable = pair
    old = cable.end(one)
    cable.change_address(one, "10.0.1.77", "fd00:0:0:1::77")
    assert (cable.end(one).ipv4, cable.far_end(two).ipv6) == ("10.0.1.77", "fd00:0:0:1::77")
    assert ping(two, "10.0.1.77").received == ping(two, "fd00:0:0:1::77").received == 1
    assert ping(two, old.ipv4, wait=1).received == 0
