"""Pings and what they tell."""

import time

import pytest

from tests.lab.cable_emulator import CableTraits
from tests.lab.conftest import Pair
from tests.lab.laboratory import Lab
from tests.lab.ping import Pings, answers, parse_ping, ping


@pytest.mark.netns
def test_pings_beside_the_test_show_an_outage(pair: Pair) -> None:
    one, two, cable = pair
    pings = Pings(one, cable.end(two).ipv4)
    ping(one, cable.end(two).ipv4, count=20, interval=0.01)
    begin = time.monotonic()
    cable.cut()
    ping(one, "127.0.0.1", count=30, interval=0.01)
    cable.mend()
    took = time.monotonic() - begin
    ping(one, cable.end(two).ipv4, count=20, interval=0.01, wait=1)
    assert 0.2 < pings.finish().outage_s < took + 1.0  # a busy machine is late


@pytest.mark.netns
def test_pings_under_way_in_the_end_are_not_taken_for_lost() -> None:
    with Lab() as lab:
        one, two = lab.add_hosts("ab")
        cable = lab.add_cable(one, two, traits=CableTraits(delay_s=0.05))
        ping(one, cable.end(two).ipv4)
        pings = Pings(one, cable.end(two).ipv4)
        ping(one, cable.end(two).ipv4, count=20, interval=0.01)
        result = pings.finish()
        assert 10 < result.sent == result.received
        pings = Pings(one, cable.end(two).ipv4)
        ping(one, cable.end(two).ipv4)
        cable.cut()
        result = pings.finish()
        assert result.sent > result.received


def test_an_outage_is_the_longest_time_between_two_answers() -> None:
    output = "".join(f"[{n / 10}] 64 bytes from x: icmp_seq={n} ttl=64 time={n} ms\n" for n in (1, 2, 5, 6))
    result = parse_ping(output + "10 packets transmitted, 4 received, 60% packet loss")
    assert result.outage_s == pytest.approx(0.3)
    assert (result.sent, result.received, result.average_ms) == (10, 4, 3.5)
    assert result.answered_after(0.25) == pytest.approx(0.25)
    assert result.answered_after(0.61) == float("inf")
    assert parse_ping(output + "6 packets transmitted, 4 received, 33% packet loss", 5).received == 3


@pytest.mark.netns
def test_a_burst_is_answered_or_not(pair: Pair) -> None:
    one, two, cable = pair
    assert answers(one, cable.end(two).ipv4, count=5)
    assert not answers(one, "10.0.1.99")
    assert not answers(one, "192.0.2.1")  # there is no route
