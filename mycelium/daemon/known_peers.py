"""What is known of other nodes, kept beside the key, so that a node gets back into its mesh without any peer of its list.

One URL on each line, with the key that answers there. All of it can be learned anew: a file that fails is worth a
warning.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from mycelium.admin.keyfile import known_peers_path
from mycelium.admin.state_file import read_state, write_state
from mycelium.admin.zones import url_of
from mycelium.daemon.file_writes import FileWrites
from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError, DiskError, LocalError
from mycelium.limits import KNOWN_PEERS_BYTES, KNOWN_PEERS_KEPT
from mycelium.node.node import Node
from mycelium.peer_url import PeerUrl
from mycelium.peering.known_peers import KnownPeers
from mycelium.wire.known_peer import KnownPeer, known_peer

log = logging.getLogger("mycelium")

SAVE_EVERY_S: Final = 10.0  # least time between two writes of the file, each only after a change

Act = Callable[[Callable[[float], None]], None]


class KnownPeersFile:
    """Has a node keep automatic peers, and writes what it knows of others into a file."""

    def __init__(self, node: Node, act: Act, key_file: Path) -> None:
        self._node = node
        self._act = act
        self._path = known_peers_path(key_file)
        self._saved = 0  # changes that the file has
        self._writes = FileWrites(f"cannot keep what is known of other nodes in {self._path}")

    def keep(self, wanted: int) -> None:
        """Has the node keep this many automatic peers."""
        exchange = self._node.exchange
        known = read_known_peers(self._path) if wanted and not exchange.known.by_peer else []
        self._act(lambda now: exchange.keep(wanted, known, now=now))

    async def run(self) -> None:
        """Writes the file whenever there is something new, until it is cancelled."""
        known = self._node.exchange.known
        try:
            while True:
                await asyncio.sleep(SAVE_EVERY_S)
                changes = known.changes
                if changes != self._saved and await self._writes.write(self._write_of(known)):
                    self._saved = changes
        finally:
            if known.changes != self._saved:
                self._writes.write_last(self._write_of(known))

    def _write_of(self, known: KnownPeers) -> Callable[[], None]:
        peers = known.worth_keeping()
        return lambda: write_known_peers(self._path, peers)


def read_known_peers(path: Path) -> list[KnownPeer]:
    """Returns the peers of a file, but for lines that can't be read, of which a warning tells."""
    if not os.path.lexists(path):
        return []
    try:
        state = read_state(path, error=DiskError, most=KNOWN_PEERS_BYTES)
    except DiskError as error:
        log.warning("what was known of other nodes is lost: %s", error)
        return []
    lines = state.content.decode("ascii", errors="replace").splitlines()
    peers = list(_legible(lines))
    if len(peers) < len(lines):
        log.warning("%s was known of other nodes is lost: %s", "a part of what" if peers else "what", state.misfit())
    return peers[:KNOWN_PEERS_KEPT]


def _legible(lines: Iterable[str]) -> Iterator[KnownPeer]:
    for line in lines:
        with suppress(LocalError):
            yield _parsed(line)


def write_known_peers(path: Path, peers: Iterable[KnownPeer]) -> None:
    """Writes the file anew. Raises OSError."""
    lines = [f"{url_of(peer.endpoint)}#{peer.key.hex()}\n" for peer in peers]
    write_state(path, "".join(lines).encode())


def _parsed(line: str) -> KnownPeer:
    url = PeerUrl.parse(line)
    if url.pin is None or not url.scheme or not url.is_numeric or url.site or url.address_and_zone[1]:
        raise ConfigError(f"{line[:100]!r} is not an address with a key")
    return known_peer(Endpoint(url.scheme, url.host, url.port), url.pin)
