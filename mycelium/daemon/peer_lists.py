"""Follows what the configuration names as peers: the peers themselves, and lists of them, which are read again now and then."""

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon.peers import Peers
from mycelium.daemon.threads import in_thread
from mycelium.errors import ResolveError
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.timing import Backoff

log = logging.getLogger("mycelium")

SOURCES: Final = "mycelium.daemon.list_sources"
REFRESH_S: Final = 600.0
FIRST_RETRY_S: Final = 5.0
RETRY_FACTOR: Final = 2.0


class FollowedList(Struct):
    """One list that is followed."""

    url: PeerListUrl
    following: asyncio.Task[None]
    trouble: str | None = None  # why it could not be read


class PeerLists:
    """The lists that are followed, by URL. `spawn` starts a task that ends with the daemon; the web's pass the `proxy`."""

    def __init__(self, peers: Peers, spawn: Callable[..., asyncio.Task[None]], proxy: ProxyUrl | None = None) -> None:
        self._peers = peers
        self._proxy = proxy
        self._spawn = spawn
        self.by_url: dict[PeerListUrl, FollowedList] = {}

    def follow(self, named: Iterable[PeerUrl | PeerListUrl]) -> list[str]:
        """Takes the peers and lists of a new configuration; returns what that changes, for the operator."""
        sources = list(named)
        lists = [one for one in sources if isinstance(one, PeerListUrl)]
        changes = self._peers.replace([one for one in sources if isinstance(one, PeerUrl)])
        for url in [url for url in self.by_url if url not in lists]:
            self.by_url.pop(url).following.cancel()
            self._peers.replace_listed(url, [])
        for url in lists:
            if url not in self.by_url:
                self.by_url[url] = FollowedList(url, self._spawn(self._keep_reading(url)))
        return changes

    async def _keep_reading(self, url: PeerListUrl) -> None:
        retries = Backoff(FIRST_RETRY_S, factor=RETRY_FACTOR, ceiling=REFRESH_S)
        while True:
            try:
                sources = await in_thread(lambda: importlib.import_module(SOURCES))  # its libraries are large
                found = await sources.read_list(url, self._proxy)
            except (ResolveError, OSError) as error:
                cause = error.strerror if isinstance(error, OSError) else str(error)
                log.warning("peer list %s: %s", url, cause)
                self.by_url[url].trouble = cause
                await asyncio.sleep(retries.next())
            else:
                self.by_url[url].trouble = None
                self._peers.replace_listed(url, found)
                retries.reset()
                await asyncio.sleep(REFRESH_S)
