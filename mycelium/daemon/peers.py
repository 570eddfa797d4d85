"""The peer list of a running daemon: peers come and go by URL, and their host names are resolved for the node."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from mycelium.daemon.proxied import ProxiedPeers
from mycelium.daemon.resolver import resolve
from mycelium.errors import LocalError, ResolveError
from mycelium.node.node import Node
from mycelium.peer_url import PeerUrl

log = logging.getLogger("mycelium")

Act = Callable[[Callable[[float], None]], None]  # calls a function with the time, then does what the node wants done


class Peers:
    """The URLs that the node keeps links with, by their text."""

    def __init__(self, node: Node, act: Act, proxied: ProxiedPeers | None = None) -> None:
        self._node = node
        self._act = act
        self._proxied = proxied
        self._urls: dict[str, PeerUrl] = {}
        self._resolving: set[str] = set()

    def add(self, url: PeerUrl) -> None:
        """Adds a peer; raises LocalError if it is in the list already, or the list is full."""
        self._act(lambda now: self._node.add_peer(str(url), pin=url.pin, now=now))
        self._urls[str(url)] = url  # `resolve` runs later, as a task

    def remove(self, url: PeerUrl) -> None:
        """Removes a peer and closes its link; raises LocalError if it is not in the list."""
        self._act(lambda now: self._node.remove_peer(str(url), now=now))
        del self._urls[str(url)]

    def replace(self, wanted: Iterable[PeerUrl]) -> None:
        """Removes and adds peers until the list is as wanted; links of peers that stay are not touched. Errors are logged."""
        urls = {str(url): url for url in wanted}
        try:
            for url in [url for name, url in self._urls.items() if name not in urls]:
                self.remove(url)
            for url in [url for name, url in urls.items() if name not in self._urls]:
                self.add(url)
        except LocalError as error:
            log.error("peers: %s", error)

    async def resolve(self, name: str) -> None:
        """Tells the node the endpoints of a peer, unless that is under way: a look-up may take longer than the node waits."""
        url = self._urls.get(name)
        if url is None or name in self._resolving:
            return
        self._resolving.add(name)
        endpoints, cause = [], ""
        try:
            look_up = self._proxied.resolve if self._proxied is not None and self._proxied.has(url) else resolve
            endpoints = await look_up(url, asyncio.get_running_loop())
        except ResolveError as error:
            cause = str(error)
        finally:
            self._resolving.remove(name)
        self._act(lambda now: self._node.peer_resolved(name, endpoints, cause=cause, now=now))
