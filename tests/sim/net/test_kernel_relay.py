"""The kernel of a host with leases."""

from mycelium.endpoint import Endpoint
from mycelium.outbox import LeaseClosed, LeaseOpened, LeasePortWanted
from sim.net.kernel_relay import FIRST_PORT, VirtualKernelRelay
from sim.net.node_net import NodeNet

ONE, OTHER, STRANGER = (Endpoint("udp", host, 9) for host in ("one", "other", "stranger"))


def test_what_the_two_ends_send_goes_to_the_other_one_until_the_lease_is_over() -> None:
    net = NodeNet()
    leasing = net.add("relay").node.leasing
    kernel = VirtualKernelRelay()
    kernel.serve(LeasePortWanted(3), leasing, now=net.now)
    port = FIRST_PORT + 3
    assert kernel.lease_at(port) == 3
    assert kernel.other_end(port, ONE, 10) is None
    kernel.serve(LeaseOpened(3, ONE, OTHER), leasing, now=net.now)
    assert kernel.other_end(port, ONE._replace(local=b"here"), 10) == OTHER
    assert kernel.other_end(port, OTHER, 20) == ONE
    assert kernel.other_end(port, STRANGER, 10) is None
    told: list[tuple[int, int, int]] = []
    leasing.closed = lambda number, datagrams, size, *, now: told.append((number, datagrams, size))  # type: ignore[method-assign]
    kernel.serve(LeaseClosed(3), leasing, now=net.now)
    assert told == [(3, 2, 30)]
    assert kernel.lease_at(port) is None
    assert kernel.other_end(port, ONE, 10) is None
