"""Traffic is checked byte by byte and counted."""

import os
import threading

import pytest

from tests.lab.conftest import Pair
from tests.lab.traffic import answering, echo_udp, exchange_tcp, iperf, stream_tcp

pytestmark = pytest.mark.netns


def test_tcp_both_ways_is_checked(pair: Pair) -> None:
    one, two, cable = pair
    assert exchange_tcp(one, two, cable.end(two).ipv6, 3_000_000, seconds=10) < 10


def test_a_connection_waits_for_a_way(pair: Pair) -> None:
    one, two, cable = pair
    there = cable.end(two).ipv6
    one.ip(f"route add unreachable {there}")
    threading.Timer(0.3, one.ip, [f"route del unreachable {there}"]).start()
    assert exchange_tcp(one, two, there, 1_000, seconds=10) < 10


def test_a_stream_goes_on_for_its_time_and_is_checked(pair: Pair) -> None:
    one, two, cable = pair
    begin = os.times().elapsed
    assert stream_tcp(one, two, cable.end(two).ipv6, seconds=0.3) > 1_000_000
    assert os.times().elapsed - begin > 0.25


def test_udp_echoes_are_counted(pair: Pair) -> None:
    one, two, cable = pair
    assert echo_udp(one, two, cable.end(two).ipv6, size=1_200, times=20) == 20
    cable.cut()
    assert echo_udp(one, two, cable.end(two).ipv6, size=64, times=1, seconds=0.2) == 0


def test_those_that_answer_are_told_from_those_that_do_not(pair: Pair) -> None:
    one, two, cable = pair
    there, nobody, unreachable = cable.end(two).ipv6, "fd00:0:0:1::99", "2001:db8::1"
    assert answering(one, [there, nobody, unreachable], seconds=0.3, again_s=0.1) == {there}
    begin = os.times().elapsed
    assert answering(one, [there], seconds=20) == {there}
    assert os.times().elapsed - begin < 10


def test_iperf_reports_what_came(pair: Pair) -> None:
    one, two, cable = pair
    assert iperf(one, two, cable.end(two).ipv6, seconds=0.2)["end"]["sum_received"]["bytes"] > 100_000
