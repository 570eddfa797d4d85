"""Sends and hears the beacons of LAN discovery: one datagram stream for each group on each interface that is fit for it.

What a beacon says and what comes of one is `node.discovery`'s business.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, cast

import asyncio_dgram
from asyncio_dgram.aio import DatagramServer, TransportClosed

from mycelium.counters import counter, drops
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import BEACONS_PER_SECOND
from mycelium.timing import TokenBucket
from mycelium.transport.multicast import Interface, find_interfaces, group_address, join, leave, open_group_socket
from mycelium.transport.underlay import Underlay
from mycelium.wire.beacon import BEACON_GROUP, BEACON_GROUP_IPV4

log = logging.getLogger("mycelium")

SCHEME: Final = "udp"
DEAF_S: Final = 1.0  # pause in reading an interface on which too many beacons came
_GROUPS: Final = {"::": (BEACON_GROUP, BEACON_GROUP_IPV4), "0.0.0.0": (BEACON_GROUP_IPV4,)}


def where_to_announce(listening: Sequence[Endpoint]) -> tuple[int, Sequence[str]] | None:
    """Returns the port at which neighbours can dial this node, and the groups that are told of it; None without any."""
    ports = {one.host: one.port for one in reversed(listening) if one.scheme == SCHEME}
    return next(((ports[host], groups) for host, groups in _GROUPS.items() if host in ports), None)


@dataclass(slots=True)
class LanCounters:
    """Totals since discovery started."""

    beacons_sent: int = counter("Beacons sent.")
    beacons_not_sent: int = counter("Beacons that the host could not send.")
    beacons_deaf: int = counter("Floods of beacons during which an interface was ignored for a second.")
    beacons_from_afar: int = drops("Beacons dropped: sent from an address of another network than the interface's.")


class LanDiscovery:
    """Beacons in and out. `on_beacon` takes what came and from where, `beacon` makes what is sent from an address.

    `only` names the interfaces; all that are fit for it unless given.
    """

    def __init__(
        self,
        groups: Sequence[str],
        *,
        port: int,
        only: Collection[str],
        beacon: Callable[[bytes], bytes],
        on_beacon: Callable[[bytes, Endpoint], None],
        underlay: Underlay,
    ) -> None:
        self._groups = groups
        self._port = port
        self._only = only
        self._beacon = beacon
        self._on_beacon = on_beacon
        self._underlay = underlay
        self._due = asyncio.Event()
        self._streams: dict[Interface, DatagramServer] = {}
        self.counters = LanCounters()

    def announce(self) -> None:
        """Has a beacon sent on every interface that there is by then."""
        self._due.set()

    async def run(self) -> None:
        """Listens, and sends when told to, until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as listeners:
                while True:
                    await self._due.wait()
                    self._due.clear()
                    try:
                        await self._follow_interfaces(listeners)
                    except OSError as error:  # such as too many open files; the next beacon tries again
                        log.warning("peer discovery misses changes of interfaces: %s", error.strerror)
                    for interface, stream in self._streams.items():
                        await self._send(interface, stream)
        finally:
            for stream in self._streams.values():
                stream.close()

    async def _follow_interfaces(self, listeners: asyncio.TaskGroup) -> None:
        """Opens streams on interfaces that have come, and closes those on interfaces that have gone or changed."""
        fit = find_interfaces(self._groups, only=self._only)
        found = [interface for interface in fit if not self._underlay.leads_inside(interface.index)]
        for interface in [one for one in self._streams if one not in found]:
            self._streams.pop(interface).close()
            log.debug("peer discovery ends on %s", interface.name)
        for interface in found:
            if interface not in self._streams:
                await self._open(interface, listeners)
        missing = sorted(set(self._only) - {interface.name for interface in found})
        if missing:
            log.warning("no peer discovery on %s: not there, or not fit", ", ".join(missing))

    async def _open(self, interface: Interface, listeners: asyncio.TaskGroup) -> None:
        try:
            udp = open_group_socket(self._port, interface, self._underlay)
        except DeviceError as error:
            log.warning("no peer discovery on %s: %s", interface.name, error)
            return
        stream = await asyncio_dgram.from_socket(udp)
        assert isinstance(stream, DatagramServer)  # a socket that is not connected
        self._streams[interface] = stream
        listeners.create_task(self._listen(interface, stream, udp))
        log.debug("peer discovery begins on %s", interface.name)

    async def _send(self, interface: Interface, stream: DatagramServer) -> None:
        try:
            await stream.send(self._beacon(interface.source), group_address(interface, self._port))
            _ = stream.exception  # raises what the kernel said
        except OSError:
            self.counters.beacons_not_sent += 1
        else:
            self.counters.beacons_sent += 1

    async def _listen(self, interface: Interface, stream: DatagramServer, udp: socket.socket) -> None:
        bucket = TokenBucket(BEACONS_PER_SECOND, now=monotonic())
        while True:
            try:
                data, source = await stream.recv()
            except TransportClosed:
                return
            except OSError:  # of a send
                self.counters.beacons_not_sent += 1
                continue
            address = cast(tuple[Any, ...], source)  # of the socket's family
            host = address[0].partition("%")[0]
            if not bucket.take(now=monotonic()):
                await self._rest(interface, udp)
            elif interface.is_on_link(host):
                self._on_beacon(data, Endpoint(SCHEME, host, address[1], interface.index))
            else:
                self.counters.beacons_from_afar += 1

    async def _rest(self, interface: Interface, udp: socket.socket) -> None:
        """Leaves the group for a while: what comes meanwhile costs nothing."""
        self.counters.beacons_deaf += 1
        log.warning("a flood of beacons on %s", interface.name)
        leave(udp, interface)
        await asyncio.sleep(DEAF_S)
        with contextlib.suppress(OSError):  # the interface is gone, which is found out before the next beacon is sent
            join(udp, interface)
