"""Keeps a port of the router open for this node, where the router does so upon request.

Asked is only behind a NAT, only the router that the default route leads to, and only for the node's own UDP port. A mapping is
short and renewed at half its time, so that one of a node that was killed is soon gone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from ipaddress import ip_address
from math import inf
from typing import Any, Final

from mycelium.admin.config import Settings
from mycelium.daemon.gateway import Gateway, find_gateway
from mycelium.daemon.listeners import ANY_ADDRESS
from mycelium.daemon.port_protocols import MappingProtocol, protocols
from mycelium.daemon.router_news import restarted
from mycelium.errors import MappingRefused
from mycelium.identity import blake2b
from mycelium.node.node import Node
from mycelium.packet.pcp import NONCE_BYTES
from mycelium.packet.port_mapping import PortMapping
from mycelium.packet.router_epoch import RouterEpoch
from mycelium.transport.set import TransportSet
from mycelium.wire.underlay_address import UnderlayAddress

log = logging.getLogger("mycelium")

LIFETIME_S: Final = 1_200  # asked for
SHORTEST_S: Final = 120  # between renewals, whatever the router grants
AGAIN_S: Final = 600.0  # until a router that maps nothing is asked again: it may have been set up meanwhile
PAUSE_S: Final = 5.0  # between one asking and the next, while the network changes all the time

NONCE_LABEL: Final = b"mycelium port mapping\x00"
OFF: Final = "none: turned off by --no-port-mapping"
NO_SOCKET: Final = "none: no UDP socket listens on all addresses"
NOT_YET: Final = "none yet: the router is being asked"
NO_ROUTER: Final = "none: no route leads to a router over IPv4"
NO_NAT: Final = "none is needed: this host has a public IPv4 address"


class PortMapper:
    """Has the router that `find` tells map a port in one of its `protocols`; `on_mapped` takes the addresses outside."""

    def __init__(
        self,
        *,
        find: Callable[[], Gateway | None],
        protocols: Callable[[Gateway], list[MappingProtocol]],
        on_mapped: Callable[[list[UnderlayAddress]], None],
        restarted: Callable[[str, RouterEpoch], Coroutine[None, None, None]] = restarted,
    ) -> None:
        self._restarted = restarted
        self.state = NOT_YET  # for people
        self._is_off = False
        self._find = find
        self._protocols = protocols
        self._on_mapped = on_mapped
        self._changed = asyncio.Event()
        self._gateway: Gateway | None = None  # that keeps the mapping
        self._protocol: MappingProtocol | None = None  # by which it is kept
        self._epoch = RouterEpoch()  # of that gateway

    def switch_off(self, state: str) -> None:
        """Notes why no mapping is wanted: `run` asks for none."""
        self.state = state
        self._is_off = True

    def network_changed(self) -> None:
        """Has the router asked again: it may be another one, or have been restarted."""
        self._changed.set()

    async def run(self) -> None:
        """Asks and renews until it is cancelled, and gives back what it has then."""
        try:
            while not self._is_off:
                wait_s = await self._keep()
                await asyncio.sleep(PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if wait_s == inf else wait_s - PAUSE_S):
                        await self._news()
                self._changed.clear()
        finally:
            await self._give_back()

    async def _news(self) -> None:
        """Returns once the network has changed, or the router has lost its mappings."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if self._gateway is not None:
            waits.append(asyncio.ensure_future(self._restarted(self._gateway.host, self._epoch)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def _keep(self) -> float:
        """Asks for a mapping, or renews it; returns after how many seconds to do so again."""
        gateway = self._find()
        if gateway is None or not gateway.is_behind_nat:
            self._lose(NO_ROUTER if gateway is None else NO_NAT)
            return inf
        renewed = [self._protocol] if self._protocol is not None and gateway == self._gateway else []
        refusals: list[str] = []
        for protocol in [*renewed, *self._protocols(gateway)]:
            try:
                mapping = await _mapped(protocol)
            except MappingRefused as error:
                refusals.append(f"{protocol.name}: {error}")
            except OSError as error:  # TimeoutError too
                log.debug("the router %s does not answer to %s: %s", gateway.host, protocol.name, error)
            else:
                if gateway != self._gateway:
                    self._epoch = RouterEpoch()
                self._gateway, self._protocol = gateway, protocol
                self._tell(mapping)
                return max(mapping.lifetime_s / 2, SHORTEST_S)
        said = f"maps no port ({'; '.join(refusals)})" if refusals else "does not answer to PCP, NAT-PMP or UPnP"
        self._lose(f"none: the router {gateway.host} {said}")
        return AGAIN_S

    def _tell(self, mapping: PortMapping) -> None:
        assert self._gateway is not None
        assert self._protocol is not None
        state = f"{mapping.host}:{mapping.port}, by {self._protocol.name} at the router {self._gateway.host}"
        if state != self.state:
            log.info("others can reach this node at a mapped port: %s", state)
        self.state = state
        self._on_mapped([UnderlayAddress(mapping.host, mapping.port)])

    def _lose(self, state: str) -> None:
        """Notes why there is no mapping."""
        if state != self.state:
            log.debug("port mapping: %s", state)
        self.state = state
        self._gateway = self._protocol = None
        self._on_mapped([])

    async def _give_back(self) -> None:
        if self._protocol is not None:
            with contextlib.suppress(OSError, MappingRefused):
                await self._protocol.give_back()


def node_port_mapper(node: Node, transports: TransportSet, settings: Settings) -> PortMapper:
    """Returns what keeps a mapping for the UDP socket of a node, if the operator lets it."""
    ports = [one.port for one in transports.local_endpoints if (one.scheme, one.host) == ("udp", ANY_ADDRESS)]
    port = next(iter(ports), 0)
    nonce = blake2b(NONCE_LABEL, size=NONCE_BYTES, key=node.identity.exchange_secret)
    mapper = PortMapper(
        find=partial(find_gateway, transports.underlay),
        protocols=partial(protocols, port=port, underlay=transports.underlay, nonce=nonce),
        on_mapped=node.outside.set_mapped,
    )
    if settings.no_port_mapping or not port:
        mapper.switch_off(OFF if settings.no_port_mapping else NO_SOCKET)
    return mapper


async def _mapped(protocol: MappingProtocol) -> PortMapping:
    """Asks for a mapping and gives it back where it leads nowhere; raises MappingRefused or OSError."""
    mapping = await protocol.ask(LIFETIME_S)
    if ip_address(mapping.host).is_global and mapping.port and mapping.lifetime_s:
        return mapping
    await protocol.give_back()
    raise MappingRefused(f"{mapping.host} is no address of the Internet, so there is another NAT before the router")
