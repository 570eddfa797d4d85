"""Ports, rules and routes of a relay's leases together."""

import socket
import sys

import pytest

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.kernel_relay.relay import KernelRelay, try_kernel
from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.transport.kernel_relay.conftest import Bench

pytestmark = pytest.mark.netns

CAPABILITY = "CAP_NET_ADMIN is required"


def end_at(port: EphemeralPort, bench: Bench, host: LabHost, side: int) -> tuple[socket.socket, Endpoint]:
    """Returns a socket of an end that has sent something to a leased port, and how the port names it."""
    with host.entered():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(PATIENCE_S)
    made.connect((bench.ends[side][1].ipv4, port.port))
    made.send(b"here")
    found: list[Endpoint] = []

    def has_arrived() -> bool:
        received = port.receive()
        found.extend([] if received is None else [received[0]])
        return bool(found)

    wait_until(has_arrived, PATIENCE_S, "the port has heard the end")
    return made, found[0]


def test_a_lease_passes_on_between_two_ends_and_follows_the_routes(bench: Bench) -> None:
    with bench.relay.entered():
        assert try_kernel() is None
        relay = KernelRelay(bench.underlay)
        port = relay.open(1)
        (a, one), (b, other) = (end_at(port, bench, host, side) for side, host in enumerate((bench.one, bench.other)))
        relay.pass_between(1, one, other)
        a.send(b"to b")
        assert b.recv(100) == b"to b"
        b.send(b"to a")
        assert a.recv(100) == b"to a"
        far = bench.ends[1][0]
        bench.other.ip("address add 10.99.0.1/24 dev lo", f"route add default via {bench.ends[1][1].ipv4}")
        bench.relay.ip(f"route add 10.99.0.0/24 via {far.ipv4}")
        relay.pass_between(1, one, other._replace(host="10.99.0.1"))
        assert f"fwd ip to {far.ipv4} device" in bench.rules()
        bench.relay.ip("route del 10.99.0.0/24")
        assert relay.routes_changed() == {1: "no route to 10.99.0.1"}
        datagrams, size = relay.close(1)
        assert (datagrams, size) == (2, 2 * (28 + 4))
        assert relay.close(1) == (0, 0)
    wait_until(lambda: not bench.rules(), PATIENCE_S, "no rule is left")
    a.close()
    b.close()


def test_what_is_no_other_host_is_refused(bench: Bench) -> None:
    with bench.relay.entered():
        relay = KernelRelay(bench.underlay)
        port = relay.open(1)
        a, one = end_at(port, bench, bench.one, 0)
        for host, reason in (
            ("127.0.0.1", "no route"),
            ("203.0.113.1", "no route"),
            (bench.ends[1][1].ipv4, "no route"),
        ):
            with pytest.raises(DeviceError, match=reason):
                relay.pass_between(1, one, one._replace(host=host))
        with pytest.raises(DeviceError, match="broadcast"):
            relay.pass_between(1, one, one._replace(host="10.0.1.255"))
        relay.close_all()
        a.close()


def test_without_the_capability_the_reason_is_told(bench: Bench) -> None:
    script = "from mycelium.transport.kernel_relay.relay import try_kernel; print(try_kernel())"
    dropped = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", sys.executable, "-c", script)
    assert bench.relay.run(*dropped).stdout.strip() == CAPABILITY
    assert bench.rules() == ""
