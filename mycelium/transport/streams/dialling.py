"""Begins connections to peers: directly or through a proxy, with the layers that their schemes need."""

import errno
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.site import Site
from mycelium.transport.streams.connection import StreamConnection
from mycelium.transport.streams.http_connect import HttpConnect
from mycelium.transport.streams.layer import StreamLayer
from mycelium.transport.streams.sockets import connect
from mycelium.transport.streams.socks5 import Socks5
from mycelium.transport.streams.stack import Stack
from mycelium.transport.streams.tls import ALPN, TlsLayer, client_context
from mycelium.transport.underlay import Underlay

SCHEMES: Final = ("tcp", "tls", "wss")
HTTP_PROXY: Final = "http"


class Proxy:
    """The proxy that all connections to peers go through; `login` is user and password.

    Its `address` is what its host's name was last resolved to. Peers are named to it by their host's name where their URL
    has one, so that the proxy resolves it.
    """

    def __init__(self, scheme: str, login: tuple[str, str] | None = None, address: Endpoint | None = None) -> None:
        self.address = address
        self._is_http = scheme == HTTP_PROXY
        self._login = login

    def opening(self, host: str, port: int) -> StreamLayer:
        """Returns the layer that has the proxy connect to a host."""
        if self._is_http:
            return HttpConnect(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", self._login)
        return Socks5(host, port, self._login)


class Dialling:
    """Begins a connection to any endpoint."""

    def __init__(self, underlay: Underlay, proxy: Proxy | None) -> None:
        self._underlay = underlay
        self._proxy = proxy

    def begin(self, endpoint: Endpoint, *, now: float) -> StreamConnection:
        """Returns a connection that is about to open; raises OSError or DeviceError if that fails at once."""
        target, layers = endpoint, _layers(endpoint)
        if self._proxy is not None:
            target = self._address_of(self._proxy)
            layers.insert(0, self._proxy.opening(endpoint.host, endpoint.port))
        stack = Stack(layers) if layers else None
        return StreamConnection(connect(target, self._underlay), endpoint.remote, stack, is_connecting=True, now=now)

    def _address_of(self, proxy: Proxy) -> Endpoint:
        if proxy.address is None:
            raise OSError(errno.EADDRNOTAVAIL, "the address of the proxy is not known")
        objection = self._underlay.objection(proxy.address)
        if objection is not None:
            raise OSError(errno.EADDRNOTAVAIL, f"the proxy can't be used: {objection}")
        return proxy.address


def _layers(endpoint: Endpoint) -> list[StreamLayer]:
    """Returns what the scheme of an endpoint puts on its stream."""
    if endpoint.scheme == "tcp":
        return []
    site = Site.parse(endpoint.site)
    tls = TlsLayer(client_context(site.protocol or ALPN), is_server=False, server_name=site.server_name)
    if endpoint.scheme == "tls":
        return [tls]
    from mycelium.transport.streams.websocket import WebSocketClient  # here, because it takes 40 ms

    return [tls, WebSocketClient(site.server_name or endpoint.host, endpoint.port, site.path)]
