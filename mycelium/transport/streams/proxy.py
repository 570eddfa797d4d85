"""The proxy that connections to peers go through."""

from collections.abc import Sequence
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.transport.streams.http_connect import HttpConnect
from mycelium.transport.streams.layer import StreamLayer
from mycelium.transport.streams.socks5 import Socks5

HTTP: Final = "http"


class Proxy:
    """An HTTP or SOCKS5 proxy; `login` is user and password.

    Its `addresses` are what its host's name was last resolved to, used in turn as they fail. It is asked for the host's name
    where the URL of a peer has one, and resolves it.
    """

    def __init__(self, scheme: str, login: tuple[str, str] | None = None, addresses: Sequence[Endpoint] = ()) -> None:
        self.addresses = addresses
        self.turn = 0
        self._is_http = scheme == HTTP
        self._login = login

    @property
    def address(self) -> Endpoint | None:
        """Where to connect to; None while that is not known."""
        return self.addresses[self.turn % len(self.addresses)] if self.addresses else None

    def opening(self, host: str, port: int) -> StreamLayer:
        """Returns the layer that has the proxy connect to a host."""
        if self._is_http:
            return HttpConnect(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", self._login)
        return Socks5(host, port, self._login)
