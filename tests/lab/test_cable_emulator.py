"""An emulated cable delays, reorders, and limits as its traits say."""

import random
import socket
from collections.abc import Iterator

import pytest

from tests.lab.cable_emulator import CableTraits, Direction, delays
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.ping import ping
from tests.lab.traffic import exchange_tcp, iperf
from tests.lab.waiting import PATIENCE_S

TRAITS = CableTraits(delay_s=0.03)
UDP_SEGMENT = 103


def direction(traits: CableTraits) -> Direction:
    return Direction(traits, random.Random(1))


def test_a_frame_arrives_after_the_delay() -> None:
    assert direction(CableTraits(delay_s=0.02)).arrival(1_500, now=5.0) == pytest.approx(5.02)
    assert delays(0.1, 0.2) == [CableTraits(delay_s=0.1), CableTraits(delay_s=0.2)]


def test_jitter_spreads_arrivals_around_the_delay_and_reorders() -> None:
    way = direction(CableTraits(delay_s=0.02, jitter_s=0.01))
    arrivals = [way.arrival(100, now=0.0) or 0.0 for _ in range(1_000)]
    assert 0.01 <= min(arrivals) < 0.011
    assert 0.029 < max(arrivals) <= 0.03
    assert arrivals != sorted(arrivals)


def test_a_rate_spaces_frames_out() -> None:
    way = direction(CableTraits(megabits=8, queue_s=1.0))  # 1 byte in 1 us
    assert [way.arrival(1_000, now=0.0) for _ in range(3)] == pytest.approx([0.001, 0.002, 0.003])
    assert way.arrival(1_000, now=1.0) == pytest.approx(1.001)


def test_a_full_queue_drops_until_it_has_room() -> None:
    way = direction(CableTraits(megabits=8, queue_s=0.0025))
    assert [way.arrival(1_000, now=0.0) is not None for _ in range(5)] == [True, True, True, False, False]
    assert way.arrival(1_000, now=0.001) == pytest.approx(0.004)


@pytest.fixture
def pair() -> Iterator[tuple[LabHost, LabHost, str, str]]:
    """Two hosts on an emulated cable, and the addresses of the second."""
    with Lab() as lab:
        one, two = lab.add_hosts(["one", "two"])
        end = lab.add_cable(one, two, traits=TRAITS).end(two)
        yield one, two, end.ipv4, end.ipv6


@pytest.mark.netns
def test_a_cable_takes_its_time_and_loses_nothing(pair: tuple[LabHost, LabHost, str, str]) -> None:
    one, two, *addresses = pair
    for address in addresses:
        result = ping(one, address, count=10, interval=0.05)
        assert result.received == 10
        assert 60 <= min(result.round_trips_ms) < 90
    exchange_tcp(one, two, addresses[1], 3_000_000, seconds=30)


@pytest.mark.netns
def test_super_packets_cross_and_are_cut_as_they_should(pair: tuple[LabHost, LabHost, str, str]) -> None:
    one, two, address, _ = pair
    with two.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    data = random.Random(1).randbytes(30_500)
    with receiver, sender:
        receiver.bind((address, 0))
        receiver.settimeout(PATIENCE_S)
        sender.sendmsg([data], [(socket.SOL_UDP, UDP_SEGMENT, b"\xe8\x03")], 0, receiver.getsockname())  # 1,000 each
        came = [receiver.recv(70_000) for _ in range(31)]
    assert [len(piece) for piece in came] == [1_000] * 30 + [500]
    assert b"".join(came) == data


@pytest.mark.netns
def test_a_rate_limit_holds() -> None:
    with Lab() as lab:
        one, two = lab.add_hosts(["one", "two"])
        cable = lab.add_cable(one, two, traits=CableTraits(megabits=20))
        report = iperf(one, two, cable.end(two).ipv6, seconds=1)
    assert 10e6 < report["end"]["sum_received"]["bits_per_second"] < 22e6
