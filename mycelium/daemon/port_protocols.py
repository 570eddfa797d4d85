"""The protocols in which a router is asked to map a UDP port to this host: PCP, NAT-PMP, UPnP.

Sockets are connected, so that only the router's own address is heard. UPnP is spoken by miniupnpc, with the device that the
router itself names; without that library it is left out.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from mycelium.daemon.gateway import Gateway
from mycelium.daemon.threads import in_thread
from mycelium.errors import DecodeError, MappingRefused
from mycelium.limits import ROUTER_ANSWER_BYTES, ROUTER_ANSWERS
from mycelium.packet.nat_pmp import ADDRESS_REQUEST, nat_pmp_address, nat_pmp_answer, nat_pmp_request
from mycelium.packet.pcp import pcp_answer, pcp_request
from mycelium.packet.port_mapping import PORT_CONTROL_PORT, PortMapping
from mycelium.packet.ssdp import SEARCH, SSDP_GROUP, ssdp_location
from mycelium.transport.underlay import Underlay

# Waits for an answer, after each of as many requests. RFC 6886 begins so too, but then waits for a minute.
WAITS_S: Final = (0.25, 0.5, 1.0)
SEARCH_S: Final = 2.0  # devices wait up to a second before they answer (MX)
LEAST_WAIT_S: Final = 0.001  # a socket takes no wait of zero for one
UPNP_S: Final = 10.0  # for the router's HTTP server; the library itself may wait far longer
GIVE_BACK_S: Final = 0.5  # of the two seconds in which a daemon ends
UPNP_PORTS: Final = 8  # outside ports that are tried, one after another, while others have them: a home has few nodes
TAKEN: Final = "ConflictInMapping"  # in the library's word for error 718
HIGHEST_PORT: Final = 0xFFFF
DESCRIPTION: Final = "mycelium"  # in the list that routers show their owners

_Answer = TypeVar("_Answer")


class MappingProtocol(Protocol):
    """Asks one router for one UDP port."""

    name: str

    async def ask(self, lifetime_s: int) -> PortMapping:
        """Asks for a mapping, or to prolong the one that there is; raises MappingRefused, or OSError without an answer."""

    async def give_back(self) -> None:
        """Ends the mapping, without waiting for an answer; raises OSError."""


class Pcp:
    """PCP. The nonce, the same after a restart too, shows the router whose mapping it is."""

    name = "PCP"

    def __init__(
        self, gateway: Gateway, port: int, underlay: Underlay, nonce: bytes, *, router_port: int = PORT_CONTROL_PORT
    ) -> None:
        self._router = partial(_connected, gateway, router_port, underlay)
        self._port = port
        self._nonce = nonce
        self._request = partial(pcp_request, gateway.source, port, self._nonce)
        self._outside_port = port

    async def ask(self, lifetime_s: int) -> PortMapping:
        """Asks for the port that there was, or our own."""
        request = self._request(lifetime_s=lifetime_s, suggested_port=self._outside_port)
        with self._router() as router:
            mapping = await _exchange(router, request, lambda data: pcp_answer(data, self._port, self._nonce))
        self._outside_port = mapping.port
        return mapping

    async def give_back(self) -> None:
        """Asks for a lifetime of zero."""
        with self._router() as router:
            router.send(self._request(lifetime_s=0, suggested_port=0))


class NatPmp:
    """NAT-PMP."""

    name = "NAT-PMP"

    def __init__(
        self, gateway: Gateway, port: int, underlay: Underlay, *, router_port: int = PORT_CONTROL_PORT
    ) -> None:
        self._router = partial(_connected, gateway, router_port, underlay)
        self._port = port
        self._outside_port = port

    async def ask(self, lifetime_s: int) -> PortMapping:
        """Asks for the outside address, then for the port that there was, or our own."""
        request = nat_pmp_request(self._port, lifetime_s=lifetime_s, suggested_port=self._outside_port)
        with self._router() as router:
            host = await _exchange(router, ADDRESS_REQUEST, nat_pmp_address)
            mapping = await _exchange(router, request, lambda data: nat_pmp_answer(data, self._port, host))
        self._outside_port = mapping.port
        return mapping

    async def give_back(self) -> None:
        """Asks for a lifetime of zero."""
        with self._router() as router:
            router.send(nat_pmp_request(self._port, lifetime_s=0, suggested_port=0))


class Upnp:
    """UPnP's Internet Gateway Device protocol."""

    name = "UPnP"

    def __init__(self, gateway: Gateway, port: int, underlay: Underlay) -> None:
        self._gateway = gateway
        self._port = port
        self._underlay = underlay
        self._device: Any = None  # a miniupnpc.UPnP, once found; the library has no types
        self._outside_port = port

    async def ask(self, lifetime_s: int) -> PortMapping:
        """Finds the router's device unless it is known, and asks that."""
        try:
            async with asyncio.timeout(UPNP_S):
                return await in_thread(lambda: self._map(lifetime_s))
        except (MappingRefused, OSError):
            self._device = None
            raise

    async def give_back(self) -> None:
        """Deletes the mapping."""
        device, port = self._device, self._outside_port
        if device is not None:
            async with asyncio.timeout(GIVE_BACK_S):
                await in_thread(lambda: _call(lambda: device.deleteportmapping(port, "UDP")))

    def _map(self, lifetime_s: int) -> PortMapping:
        """Asks for the port that there was, or our own, or one of the next; runs in a thread."""
        if self._device is None:
            self._device = _device_at(self._find())
        device, refusal = self._device, MappingRefused("")
        host = str(_call(device.externalipaddress))
        for port in range(self._outside_port, min(self._outside_port + UPNP_PORTS, HIGHEST_PORT + 1)):
            wanted = (port, "UDP", self._gateway.source, self._port, DESCRIPTION, "", lifetime_s)
            try:
                _call(partial(device.addportmapping, *wanted))
            except MappingRefused as error:
                refusal = error
                if TAKEN not in str(error):
                    break
            else:
                self._outside_port = port
                return PortMapping(host, port, lifetime_s)
        raise refusal

    def _find(self) -> str:
        """Returns where the router describes itself; whoever else answers is not heard. Raises TimeoutError."""
        deadline = monotonic() + SEARCH_S
        with _udp_socket(self._underlay) as search:
            search.bind((self._gateway.source, 0))
            search.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._gateway.source))
            search.sendto(SEARCH, SSDP_GROUP)
            for _ in range(ROUTER_ANSWERS):
                search.settimeout(max(deadline - monotonic(), LEAST_WAIT_S))
                data, (host, _) = search.recvfrom(ROUTER_ANSWER_BYTES)
                if host == self._gateway.host:
                    with contextlib.suppress(DecodeError):
                        return ssdp_location(data, host)
        raise TimeoutError


def _device_at(location: str) -> Any:
    import miniupnpc

    device = miniupnpc.UPnP()
    _call(lambda: device.selectigd(location))
    return device


def _call(call: Callable[[], _Answer]) -> _Answer:
    """Calls the library, whose only exception is Exception."""
    try:
        return call()
    except Exception as error:
        raise MappingRefused(f"the router gives the error {str(error)[:100]!r}") from error


def protocols(gateway: Gateway, *, port: int, underlay: Underlay, nonce: bytes) -> list[MappingProtocol]:
    """Returns the protocols to be tried with a router, in this order."""
    found: list[MappingProtocol] = [Pcp(gateway, port, underlay, nonce), NatPmp(gateway, port, underlay)]
    return [*found, Upnp(gateway, port, underlay)] if _has_upnp() else found


async def _exchange(router: socket.socket, request: bytes, decode: Callable[[bytes], _Answer]) -> _Answer:
    """Sends a request until an answer to it comes; raises TimeoutError, or what the system says of the router."""
    for wait_s in WAITS_S:
        router.send(request)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                for _ in range(ROUTER_ANSWERS):
                    data = await asyncio.get_running_loop().sock_recv(router, ROUTER_ANSWER_BYTES)
                    with contextlib.suppress(DecodeError):
                        return decode(data)
    raise TimeoutError


def _connected(gateway: Gateway, port: int, underlay: Underlay) -> socket.socket:
    router = _udp_socket(underlay)
    try:
        router.connect((gateway.host, port))
    except OSError:
        router.close()
        raise
    return router


def _udp_socket(underlay: Underlay) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    underlay.mark(opened)
    return opened


def _has_upnp() -> bool:
    try:
        import miniupnpc  # noqa: F401 - no part of every installation
    except ImportError:
        return False
    return True
