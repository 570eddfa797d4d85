"""The kernel's rules for leased ports: what they pass on, what they leave alone, and when they are gone."""

import os
import signal
import socket
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from mycelium.errors import DeviceError
from mycelium.packet.nftables import Way
from mycelium.transport.kernel_relay.rules import KernelRules
from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.transport.kernel_relay.conftest import Bench

pytestmark = pytest.mark.netns

PORT = 7_000


def address(bench: Bench, side: int, *, is_ipv6: bool, is_relay: bool) -> str:
    end = bench.ends[side][is_relay]
    return end.ipv6 if is_ipv6 else end.ipv4


def udp(host: LabHost, at: str, port: int) -> socket.socket:
    """Returns a bound socket in a host."""
    with host.entered():
        made = socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE_S)
    made.bind((at, port))
    return made


def way(bench: Bench, side: int, *, is_ipv6: bool) -> Way:
    """Returns the way from the end of one side to the other one."""

    def packed(of: int, *, is_relay: bool) -> bytes:
        return ip_address(address(bench, of, is_ipv6=is_ipv6, is_relay=is_relay)).packed

    far = packed(1 - side, is_relay=False)
    with bench.relay.entered():
        interface = socket.if_nametoindex(bench.ends[1 - side][1].interface)
    return Way(
        source=(packed(side, is_relay=False), 5_000 + side),
        arrives_at=packed(side, is_relay=True),
        leaves_from=packed(1 - side, is_relay=True),
        destination=(far, 5_000 + 1 - side),
        interface=interface,
        gateway=far,
    )


def set_ways(bench: Bench, rules: KernelRules, *, is_ipv6: bool) -> None:
    with bench.relay.entered():
        arrivals = [socket.if_nametoindex(relays.interface) for _, relays in bench.ends]
        rules.set_ways(PORT, [way(bench, side, is_ipv6=is_ipv6) for side in (0, 1)], arrivals)


@pytest.mark.parametrize("is_ipv6", [False, True], ids=["IPv4", "IPv6"])
def test_datagrams_of_the_two_ends_are_passed_on_and_no_others(bench: Bench, is_ipv6: bool) -> None:
    with bench.relay.entered():
        rules = KernelRules()
    rules.lease(PORT)
    set_ways(bench, rules, is_ipv6=is_ipv6)
    set_ways(bench, rules, is_ipv6=is_ipv6)  # as after a change of routes
    at_relay = [address(bench, side, is_ipv6=is_ipv6, is_relay=True) for side in (0, 1)]
    a, b, stranger = (
        udp(host, address(bench, side, is_ipv6=is_ipv6, is_relay=False), port)
        for host, side, port in ((bench.one, 0, 5_000), (bench.other, 1, 5_001), (bench.one, 0, 5_002))
    )
    relays_own = udp(bench.relay, at_relay[0], PORT)
    with a, b, stranger, relays_own:
        for sender, receiver, near, far in ((a, b, 0, 1), (b, a, 1, 0)):
            sender.sendto(b"there and back", (at_relay[near], PORT))
            data, source = receiver.recvfrom(100)
            assert (data, source[:2]) == (b"there and back", (at_relay[far], PORT))
        stranger.sendto(b"a stranger's", (at_relay[0], PORT))
        assert relays_own.recvfrom(100)[0] == b"a stranger's"
        datagrams, size = rules.passed(PORT)
        assert (datagrams, size) == (2, 2 * (len(b"there and back") + (48 if is_ipv6 else 28)))
        with bench.relay.entered():
            assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
        rules.end(PORT)
        a.sendto(b"after the end", (at_relay[0], PORT))
        assert relays_own.recvfrom(100)[0] == b"after the end"
    assert "port_" not in bench.rules()
    rules.close()
    wait_until(lambda: not bench.rules(), PATIENCE_S, "no rule is left")


def test_rules_are_gone_with_a_process_that_is_killed(bench: Bench) -> None:
    script = (
        "from mycelium.transport.kernel_relay.rules import KernelRules\n"
        f"rules = KernelRules(); rules.lease({PORT})\n"
        "import signal; signal.pause()\n"
    )
    process = bench.relay.start(sys.executable, "-c", script)
    wait_until(lambda: f"port_{PORT}" in bench.rules(), 20, "the process has made rules")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_S)
    wait_until(lambda: not bench.rules(), PATIENCE_S, "no rule is left")


def test_what_the_kernel_refuses_is_told(bench: Bench) -> None:
    with bench.relay.entered():
        rules = KernelRules()
    with pytest.raises(DeviceError, match=r"this kernel can't|nftables"):
        rules.end(PORT)
    with pytest.raises(DeviceError, match="interface 999 is gone"):
        rules.set_ways(PORT, [], [999])
    rules.close()
