"""Begins connections to peers: directly or through a proxy, with the layers that their schemes need."""

from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError, OpeningRefused
from mycelium.site import Site
from mycelium.transport.certificate import ALPN
from mycelium.transport.streams.causes import connect_failed
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.layer import StreamLayer
from mycelium.transport.streams.proxy import Proxy
from mycelium.transport.streams.sockets import connect
from mycelium.transport.streams.stack import Stack
from mycelium.transport.streams.tls import TlsLayer, client_context
from mycelium.transport.underlay import Underlay

SCHEMES: Final = ("tcp", "tls", "wss")


class Dialling:
    """Begins a connection to any endpoint."""

    def __init__(self, underlay: Underlay, proxy: Proxy | None) -> None:
        self._underlay = underlay
        self._proxy = proxy

    def begin(self, endpoint: Endpoint, *, now: float) -> StreamConnection:
        """Returns a connection that is about to open; raises OpeningRefused if that fails at once."""
        target, layers = endpoint, _layers(endpoint)
        if self._proxy is not None:
            target = self._address_of(self._proxy)
            layers.insert(0, self._proxy.opening(endpoint.host, endpoint.port))
        stack = Stack(layers) if layers else None
        try:
            stream = connect(target, self._underlay)
        except OSError as error:
            raise OpeningRefused(self.not_connected(connect_failed(error))) from error
        except DeviceError as error:
            raise OpeningRefused(str(error)) from error
        return StreamConnection(stream, endpoint.remote, stack, is_connecting=True, now=now)

    def _address_of(self, proxy: Proxy) -> Endpoint:
        address = proxy.address
        if address is None:
            raise OpeningRefused("the address of the proxy is not known")
        objection = self._underlay.objection(address)
        if objection is not None:
            raise OpeningRefused(f"the proxy can't be used: {objection}")
        return address

    def not_connected(self, cause: str) -> str:
        """Takes why the last TCP connection did not come about, and returns it with who is meant."""
        if self._proxy is None:
            return cause
        address = self._proxy.address
        self._proxy.turn += 1  # it may have other addresses
        return f"the proxy {address}: {cause}"


def _layers(endpoint: Endpoint) -> list[StreamLayer]:
    """Returns what the scheme of an endpoint puts on its stream."""
    if endpoint.scheme == "tcp":
        return []
    site = Site.parse(endpoint.site)
    tls = TlsLayer(client_context(site.protocol or ALPN), is_server=False, server_name=site.server_name)
    if endpoint.scheme == "tls":
        return [tls]
    from mycelium.transport.streams.websocket import WebSocketClient  # here, because it takes 50 ms

    return [tls, WebSocketClient(site.server_name or endpoint.host, endpoint.port, site.path)]
