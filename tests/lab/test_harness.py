"""The harness itself, with plain sockets: what it says it does to a network, it does."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.long_cable import LongCables
from tests.lab.mesh import grid, line
from tests.lab.namespaces import Cable, Lab, LabHost, is_available, remove_leftovers
from tests.lab.ping import Pings, parse_ping, ping
from tests.lab.traffic import echo_udp, exchange_tcp, iperf, stream_tcp
from tests.lab.udp_proxy import REPOSITORY, Weather, start_proxy
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.netns


@pytest.fixture(autouse=True)
def _needs_tools() -> None:
    if not is_available():
        pytest.skip("this needs root, ip, nft, tc, ping and setpriv")


@pytest.fixture
def pair() -> Iterator[tuple[LabHost, LabHost, Cable]]:
    with Lab() as lab:
        one, two = lab.add_hosts(["one", "two"])
        yield one, two, lab.add_cable(one, two)


def loss(host: LabHost, address: str, count: int = 100) -> float:
    result = ping(host, address, count=count, interval=0.002, wait=1)
    return 1 - result.received / result.sent


def test_a_cable_carries_both_families(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    for address in (cable.end(two).ipv4, cable.end(two).ipv6):
        assert ping(one, address, count=3).received == 3


def test_a_cut_is_silent_and_can_be_mended(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    ping(one, cable.end(two).ipv4)
    cable.cut()
    assert loss(one, cable.end(two).ipv4) == 1
    assert "LOWER_UP" in one.run("ip", "link", "show", "eth0").stdout
    cable.mend()
    assert loss(one, cable.end(two).ipv4) == 0


def test_a_long_cable_takes_its_time_and_loses_nothing() -> None:
    with Lab() as lab:
        one, two = lab.add_hosts(["one", "two"])
        cables = LongCables()
        cable = lab.add_cable(one, two, lay=cables.of(0.03))
        cables.carry(one)
        for address in (cable.end(two).ipv4, cable.end(two).ipv6):
            result = ping(one, address, count=10, interval=0.05)
            assert result.received == 10
            assert 60 <= min(result.round_trips_ms) < 90


def test_a_cut_may_be_one_way(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    with two.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((cable.end(two).ipv4, 0))
        receiver.settimeout(1)
        ping(one, cable.end(two).ipv4)
        cable.cut(towards=one)
        assert loss(one, cable.end(two).ipv4) == 1
        sender.sendto(b"still heard", receiver.getsockname())
        assert receiver.recv(100) == b"still heard"


def test_loss_is_about_what_was_asked(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    cable.lose(20)
    assert 0.2 < loss(one, cable.end(two).ipv4, count=500) < 0.55  # either way: 36 %


def test_super_packets_are_lost_in_parts(pair: tuple[LabHost, LabHost, Cable]) -> None:
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


def test_a_rate_limit_holds(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    cable.limit_rate(20)
    report = iperf(one, two, cable.end(two).ipv6, seconds=1)
    assert 10e6 < report["end"]["sum_received"]["bits_per_second"] < 22e6


def test_an_mtu_holds(pair: tuple[LabHost, LabHost, Cable]) -> None:
    _, two, cable = pair
    cable.set_mtu(1_280)
    assert "mtu 1280" in two.run("ip", "link", "show", "eth0").stdout


def test_pulling_the_plug_shows_at_both_ends(pair: tuple[LabHost, LabHost, Cable]) -> None:
    _, two, cable = pair
    cable.set_carrier(up=False)
    assert "LOWER_UP" not in two.run("ip", "link", "show", "eth0").stdout
    cable.set_carrier(up=True)
    assert "LOWER_UP" in two.run("ip", "link", "show", "eth0").stdout


def test_a_host_can_move_to_other_addresses(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    old = cable.end(one)
    cable.change_address(one, "10.0.1.77", "fd00:0:0:1::77")
    assert (cable.end(one).ipv4, cable.far_end(two).ipv6) == ("10.0.1.77", "fd00:0:0:1::77")
    assert ping(two, "10.0.1.77").received == ping(two, "fd00:0:0:1::77").received == 1
    assert ping(two, old.ipv4, wait=1).received == 0


def test_a_host_has_names_of_its_own(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    one.name_hosts({"two.test": cable.end(two).ipv4})
    assert ping(one, "two.test").received == 1


def test_tcp_both_ways_is_checked(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    assert exchange_tcp(one, two, cable.end(two).ipv6, 3_000_000, seconds=10) < 10


def test_a_stream_goes_on_for_its_time_and_is_checked(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    begin = os.times().elapsed
    assert stream_tcp(one, two, cable.end(two).ipv6, seconds=0.3) > 1_000_000
    assert os.times().elapsed - begin > 0.25


def test_udp_echoes_are_counted(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    assert echo_udp(one, two, cable.end(two).ipv6, size=1_200, times=20) == 20
    cable.cut()
    assert echo_udp(one, two, cable.end(two).ipv6, size=64, times=1, seconds=0.2) == 0


def test_pings_beside_the_test_show_an_outage(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    pings = Pings(one, cable.end(two).ipv4)
    ping(one, cable.end(two).ipv4, count=20, interval=0.01)
    cable.cut()
    ping(one, "127.0.0.1", count=30, interval=0.01)
    cable.mend()
    ping(one, cable.end(two).ipv4, count=20, interval=0.01, wait=1)
    assert 0.2 < pings.finish().outage_s < 1


def test_an_outage_is_the_longest_time_between_two_answers() -> None:
    output = "".join(f"[{n / 10}] 64 bytes from x: icmp_seq={n} ttl=64 time={n} ms\n" for n in (1, 2, 5, 6))
    result = parse_ping(output + "10 packets transmitted, 4 received, 60% packet loss")
    assert result.outage_s == pytest.approx(0.3)
    assert (result.sent, result.received, result.average_ms) == (10, 4, 3.5)
    assert result.answered_after(0.25) == pytest.approx(0.25)
    assert result.answered_after(0.61) == float("inf")


def test_a_grid_joins_neighbours_in_rows_and_columns() -> None:
    edges = grid(2, 3)
    assert sorted(edges) == sorted(
        [*line("r0c0", "r0c1", "r0c2"), *line("r1c0", "r1c1", "r1c2")] + [(f"r0c{n}", f"r1c{n}") for n in range(3)]
    )
    assert len(grid(7, 7)) == 84


def test_the_proxy_delays_both_ways(pair: tuple[LabHost, LabHost, Cable]) -> None:
    one, two, cable = pair
    with two.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with one.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client:
        server.bind(("127.0.0.1", 9_000))
        server.settimeout(5)
        client.settimeout(5)
        start_proxy(two, 7_000, ("127.0.0.1", 9_000), delay_ms=30)
        begin = os.times().elapsed
        client.sendto(b"there", (cable.end(two).ipv4, 7_000))
        data, source = server.recvfrom(100)
        server.sendto(data + b" and back", source)
        assert client.recv(100) == b"there and back"
        assert os.times().elapsed - begin > 0.055


def test_the_proxy_loses_and_reorders_by_its_seed() -> None:
    weather = Weather(delay=0.05, jitter=0.01, loss=0.1, reorder=0.1, seed=7)
    fates = [weather.lateness() for _ in range(10_000)]
    assert 900 < fates.count(None) < 1_100
    assert 800 < fates.count(0.0) < 1_000
    assert all(fate is None or fate == 0 or 0.04 <= fate <= 0.06 for fate in fates)


def test_closing_leaves_neither_process_nor_namespace() -> None:
    with Lab() as lab:
        [host] = lab.add_hosts(["one"])
        host.name_hosts({"a.test": "127.0.0.1"})
        stubborn = host.start("sh", "-c", "trap '' TERM INT; sleep 1000 & wait")
        wait_until(lambda: len(host.run("pgrep", "-f", "sleep 1000", check=False).stdout.split()) > 0, 5, "it runs")
    assert stubborn.wait(5) == -signal.SIGKILL
    assert not Path("/run/netns", host.namespace).exists()
    assert not Path("/etc/netns", host.namespace).exists()


def test_what_a_killed_run_left_is_removed_by_the_next() -> None:
    script = """
import os
from subprocess import DEVNULL
from tests.lab.namespaces import Lab
[host] = Lab().add_hosts(["one"])
host.start("sleep", "1000", stdout=DEVNULL, stderr=DEVNULL)
print(host.namespace, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    left = Path("/run/netns", done.stdout.strip())
    assert left.exists()
    remove_leftovers()
    assert not left.exists()
