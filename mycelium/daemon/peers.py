"""The peer list of a running daemon: peers come and go by URL, and their host names are resolved for the node."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from mycelium.daemon.proxied import ProxiedPeers
from mycelium.daemon.resolver import resolve
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError, ResolveError
from mycelium.limits import LOOK_UPS
from mycelium.node.node import Node
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.quantity import quantity

log = logging.getLogger("mycelium")

Act = Callable[[Callable[[float], None]], None]  # calls a function with the time, then does what the node wants done


SLOW_S: Final = 5.0  # a look-up that takes longer is told as a failure, and still goes on


class Peers:
    """The URLs that the node keeps links with, by their text: those of the configuration, and those added by hand.

    `objection` tells why nothing may be sent to an endpoint, or None.
    """

    def __init__(
        self,
        node: Node,
        act: Act,
        objection: Callable[[Endpoint], str | None],
        proxied: ProxiedPeers | None = None,
    ) -> None:
        self._node = node
        self._act = act
        self._objection = objection
        self._proxied = proxied
        self._urls: dict[str, PeerUrl] = {}  # all of them
        self._configured: set[str] = set()
        self._listed: dict[PeerListUrl, set[str]] = {}  # peers of each list that brought some
        self._added: set[str] = set()  # peers added by hand: they stay, whatever the configuration says
        self._removed: set[str] = set()  # peers removed by hand, although the configuration or a list has them
        self._resolving: set[str] = set()

    def add(self, url: PeerUrl) -> None:
        """Adds a peer until the daemon stops; raises LocalError if it is in the list already, or the list is full."""
        self._begin(url)
        self._added.add(str(url))
        self._removed.discard(str(url))

    def remove(self, url: PeerUrl) -> None:
        """Removes a peer until the daemon stops, and closes its link; raises LocalError if it is not in the list."""
        self._end(url)
        self._added.discard(str(url))
        if str(url) in self._configured or self.list_of(str(url)) is not None:
            self._removed.add(str(url))

    def replace(self, configured: Iterable[PeerUrl]) -> list[str]:
        """Takes the peers of a new configuration; returns what that changes, for the operator. Errors are logged.

        Links of peers that stay are not touched, nor is what was added or removed by hand.
        """
        urls = {str(url): url for url in configured}
        self._configured = set(urls)
        ended, begun = self._adjust(urls)
        counts = (begun, "added"), (ended, "removed"), (len(self._removed), "left out as removed by hand")
        return [f"{quantity(count, 'peer')} {what}" for count, what in counts if count]

    def replace_listed(self, source: PeerListUrl, listed: Iterable[PeerUrl]) -> None:
        """Takes the peers that a list has now, in place of those that it brought before."""
        urls = {str(url): url for url in listed}
        self._listed.pop(source, None)
        if urls:
            self._listed[source] = set(urls)
        self._adjust(urls)

    def _adjust(self, named: Mapping[str, PeerUrl]) -> tuple[int, int]:
        """Ends the peers that nothing names any more, and begins those among `named` that are new; returns how many of each."""
        self._removed &= self._configured.union(*self._listed.values())
        gone = [url for name, url in self._urls.items() if not self._is_wanted(name)]
        new = [url for name, url in named.items() if name not in self._urls and name not in self._removed]
        return _count(self._end, gone), _count(self._begin, new)

    def list_of(self, name: str) -> str | None:
        """Returns the list that brought a peer, if one did, as people are shown it."""
        return next((str(source) for source, names in self._listed.items() if name in names), None)

    def _is_wanted(self, name: str) -> bool:
        return name in self._configured or name in self._added or self.list_of(name) is not None

    def _begin(self, url: PeerUrl) -> None:
        self._act(lambda now: self._node.add_peer(str(url), pin=url.pin, fingerprint=url.fingerprint, now=now))
        self._urls[str(url)] = url  # `resolve` runs later, as a task

    def _end(self, url: PeerUrl) -> None:
        self._act(lambda now: self._node.remove_peer(str(url), now=now))
        del self._urls[str(url)]

    async def resolve(self, name: str) -> None:
        """Tells the node the endpoints of a peer, unless that is under way: a look-up may take longer than the node waits."""
        url = self._urls.get(name)
        if url is None or name in self._resolving:
            return
        if len(self._resolving) >= LOOK_UPS:
            self._tell(name, [], "the name can't be looked up: too many look-ups are under way")
            return
        self._resolving.add(name)
        looking = asyncio.ensure_future(self._endpoints(url))
        try:
            await asyncio.wait([looking], timeout=SLOW_S)
            if not looking.done():
                self._tell(name, [], f"no name server has answered for {SLOW_S:.0f} s")
            self._tell(name, *await looking)
        finally:
            looking.cancel()
            self._resolving.remove(name)

    async def _endpoints(self, url: PeerUrl) -> tuple[list[Endpoint], str]:
        """Returns the endpoints of a peer; if there are none, why not."""
        look_up = self._proxied.resolve if self._proxied is not None and self._proxied.has(url) else resolve
        try:
            found = await look_up(url)
        except ResolveError as error:
            return [], str(error)
        objections = [self._objection(endpoint) for endpoint in found]
        fit = [endpoint for endpoint, reason in zip(found, objections, strict=True) if reason is None]
        return fit, next((reason for reason in objections if reason is not None), "")

    def _tell(self, name: str, endpoints: list[Endpoint], cause: str) -> None:
        self._act(lambda now: self._node.peer_resolved(name, endpoints, cause=cause, now=now))


def _count(change: Callable[[PeerUrl], None], urls: Iterable[PeerUrl]) -> int:
    """Makes a change for each URL, and logs why one fails; returns how many did not."""
    done = 0
    for url in urls:
        try:
            change(url)
            done += 1
        except LocalError as error:
            log.error("peers: %s", error)
    return done
