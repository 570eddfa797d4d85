"""What the kernel passes on for the leases of this node: the ports, the rules, and the routes that these depend on."""

import contextlib
from ipaddress import ip_address
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.packet.nftables import Way
from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.kernel_relay.rules import KernelRules
from mycelium.transport.underlay import Underlay

LOOPBACK: Final = 1  # the index of `lo`
_NOWHERE: Final = (bytes(4), 1)
_TRIED: Final = Way(_NOWHERE, bytes(4), bytes(4), _NOWHERE, LOOPBACK, bytes(4))


def try_kernel() -> str | None:
    """Returns why the kernel can't pass datagrams on, for people; None if it can."""
    try:
        with contextlib.closing(KernelRules()) as rules:
            rules.lease(1)
            rules.set_ways(1, [_TRIED], [LOOPBACK])
    except DeviceError as error:
        return str(error)
    return None


class _Lease:
    __slots__ = ("ends", "passed", "port", "ways")

    def __init__(self, port: EphemeralPort) -> None:
        self.port = port
        self.ends: tuple[Endpoint, Endpoint] | None = None
        self.ways: list[Way] = []
        self.passed = (0, 0)  # packets and bytes, by rules that were replaced


class KernelRelay:
    """Leased ports by number of the lease. The table of rules is there while there are leases."""

    def __init__(self, underlay: Underlay) -> None:
        self._underlay = underlay
        self._rules: KernelRules | None = None
        self._leases: dict[int, _Lease] = {}

    def open(self, number: int) -> EphemeralPort:
        """Opens a port for a lease; raises DeviceError."""
        port = EphemeralPort(self._underlay)
        try:
            if self._rules is None:
                self._rules = KernelRules()
            self._rules.lease(port.port)
        except DeviceError:
            port.close()
            self._close_if_idle()
            raise
        self._leases[number] = _Lease(port)
        return port

    def pass_between(self, number: int, one: Endpoint, other: Endpoint) -> None:
        """Has the kernel pass on what two endpoints send to a leased port, as `EphemeralPort.receive` named them.

        Raises DeviceError where it can't.
        """
        lease = self._leases[number]
        self._set(lease, one, other)
        lease.ends = one, other

    def _set(self, lease: _Lease, one: Endpoint, other: Endpoint) -> None:
        assert self._rules is not None
        ways = [self._way(one, other), self._way(other, one)]
        if ways != lease.ways:
            lease.passed = self._passed(lease)
            self._rules.set_ways(lease.port.port, ways, {one.scope, other.scope})
            lease.ways = ways

    def _way(self, one: Endpoint, other: Endpoint) -> Way:
        """Returns the way from one endpoint to the other; raises DeviceError if there is none that may be used."""
        objection = self._underlay.objection(other._replace(scope=0))
        if objection is not None:
            raise DeviceError(objection)
        source, destination = ip_address(one.host).packed, ip_address(other.host).packed
        found = self._underlay.way_to(destination, other.local)
        if found is None or LOOPBACK in (found[0], other.scope):
            raise DeviceError(f"no route to {other.host}")
        interface, gateway = found
        return Way((source, one.port), one.local, other.local, (destination, other.port), interface, gateway)

    def routes_changed(self) -> dict[int, str]:
        """Follows the routes of this host; returns the leases for which there is no way any more, and why."""
        lost: dict[int, str] = {}
        for number, lease in self._leases.items():
            if lease.ends is not None:
                try:
                    self._set(lease, *lease.ends)
                except DeviceError as error:
                    lost[number] = str(error)
        return lost

    def close(self, number: int) -> tuple[int, int]:
        """Ends a lease; returns the packets and bytes that were passed on."""
        lease = self._leases.pop(number, None)
        if lease is None:
            return 0, 0
        passed = self._passed(lease)
        with contextlib.suppress(DeviceError):  # of a kernel that has removed them with the device
            assert self._rules is not None
            self._rules.end(lease.port.port)
        lease.port.close()
        self._close_if_idle()
        return passed

    def close_all(self) -> None:
        """Ends all leases."""
        for number in list(self._leases):
            self.close(number)

    def _passed(self, lease: _Lease) -> tuple[int, int]:
        assert self._rules is not None
        with contextlib.suppress(DeviceError):
            packets, size = self._rules.passed(lease.port.port)
            return lease.passed[0] + packets, lease.passed[1] + size
        return lease.passed

    def _close_if_idle(self) -> None:
        if self._rules is not None and not self._leases:
            self._rules.close()
            self._rules = None
