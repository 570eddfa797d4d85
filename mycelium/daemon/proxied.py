"""Peers behind a proxy: this host looks up the proxy, and the proxy looks up the peers."""

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.resolver import resolve, site_of
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl
from mycelium.transport.streams.dialling import SCHEMES
from mycelium.transport.streams.proxy import Proxy


class ProxiedPeers:
    """Knows which peers are reached through a proxy, and keeps the addresses of that."""

    def __init__(self, url: ProxyUrl) -> None:
        self.proxy = Proxy(url.scheme, url.login)
        self._url = PeerUrl("tcp", url.host, url.port)

    def has(self, url: PeerUrl) -> bool:
        """Tells whether a peer is reached through the proxy."""
        return url.scheme in SCHEMES

    async def resolve(self, url: PeerUrl) -> list[Endpoint]:
        """Returns the one endpoint of such a peer; raises ResolveError if the look-up of the proxy fails."""
        try:
            self.proxy.addresses = await resolve(self._url)
        except ResolveError as error:
            raise ResolveError(f"the proxy {self._url.host}: {error}") from error
        return [Endpoint(url.scheme, url.address_and_zone[0], url.port, site=site_of(url))]
