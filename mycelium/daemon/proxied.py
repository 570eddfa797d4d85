"""Peers behind a proxy: this host looks up the proxy, and the proxy looks up the peers."""

import asyncio
from typing import Final

from msgspec.structs import replace

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.resolver import resolve, site_of
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl
from mycelium.transport.streams.dialling import SCHEMES
from mycelium.transport.streams.proxy import Proxy

# The time for a look-up by this host, for what passes beside the proxy: often only the proxy can look names up.
DIRECT_S: Final = 0.5


class ProxiedPeers:
    """Knows which peers are reached through a proxy, and keeps the addresses of that."""

    def __init__(self, url: ProxyUrl) -> None:
        self.proxy = Proxy(url.scheme, url.login)
        self._url = PeerUrl("tcp", url.host, url.port)

    def has(self, url: PeerUrl) -> bool:
        """Tells whether a peer is reached through the proxy, at least where UDP does not pass."""
        return url.schemes[-1] in SCHEMES

    async def resolve(self, url: PeerUrl) -> list[Endpoint]:
        """Returns the endpoint of such a peer, behind those at which it is reached without the proxy, if there are any.

        Raises ResolveError if the look-up of the proxy fails.
        """
        try:
            self.proxy.addresses = await resolve(self._url)
        except ResolveError as error:
            raise ResolveError(f"the proxy {self._url.host}: {error}") from error
        endpoint = Endpoint(url.schemes[-1], url.address_and_zone[0], url.port, site=site_of(url))
        return [*(await _without_proxy(url)), endpoint]


async def _without_proxy(url: PeerUrl) -> list[Endpoint]:
    if url.schemes[0] in SCHEMES:
        return []
    try:
        return await asyncio.wait_for(resolve(replace(url, scheme=url.schemes[0])), DIRECT_S)
    except (ResolveError, TimeoutError):
        return []
