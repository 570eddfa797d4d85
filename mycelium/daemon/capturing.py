"""Captures for the operator: all datagrams of the transports, and the keys that open them, as a stream in the format pcapng.

While nobody captures, nothing on the data path knows of it. The stream ends with its reader.
"""

import asyncio
from collections.abc import AsyncGenerator
from time import time
from typing import Final, Protocol

from mycelium.admin.zones import url_of
from mycelium.capture.keys import LINK, SESSION, KeyLog
from mycelium.capture.pcapng import datagram_block, drops_block, head, keys_block
from mycelium.capture.ring import CaptureRing
from mycelium.errors import LocalError
from mycelium.node.node import Node

LOOK_S: Final = 0.1  # between looks at what was captured
SIGN_OF_LIFE_S: Final = 1.0  # between words to a reader to whom there is nothing else to say
PART_BYTES: Final = 256 << 10  # handed to the reader at once


class Tap(Protocol):
    """Sets who hears all datagrams; None: nobody."""

    def __call__(self, ring: CaptureRing | None) -> None: ...


class Capturing:
    """The capture of one node, one at a time."""

    def __init__(self, node: Node, tap: Tap) -> None:
        self._node = node
        self._tap = tap
        self._is_open = False

    def open(self) -> AsyncGenerator[bytes, None]:
        """Returns what a file of the capture is to hold; raises LocalError while there is another one."""
        if self._is_open:
            raise LocalError("another capture is under way: there is one at a time")
        return self._run()

    async def _run(self) -> AsyncGenerator[bytes, None]:
        if self._is_open:
            return
        ring, keys, dropped, told_at = CaptureRing(), KeyLog(), 0, time()
        self._is_open = True
        self._tap(ring)
        try:
            yield head()
            while True:
                if new := key_lines(self._node, keys):
                    yield keys_block(new)
                async for part in _parts(ring):
                    told_at = time()
                    yield part
                if ring.dropped != dropped or time() > told_at + SIGN_OF_LIFE_S:
                    dropped, told_at = ring.dropped, time()
                    yield drops_block(dropped, at=told_at)
                await asyncio.sleep(LOOK_S)
        finally:
            self._tap(None)
            self._is_open = False


def key_lines(node: Node, keys: KeyLog) -> str:
    """Returns the lines of a capture about those keys of a node that are new."""
    links = [(link.address, one) for link in node.links.values() for one in link.frames.keypairs.by_index.values()]
    sessions = [(session.peer, keypair) for session, keypair in node.sessions.by_index.values()]
    return keys.lines(LINK, links) + keys.lines(SESSION, sessions)


async def _parts(ring: CaptureRing) -> AsyncGenerator[bytes, None]:
    """Yields what a ring holds, in parts of about PART_BYTES."""
    part = bytearray()
    for at, is_sent, endpoint, data in ring.take():
        part += datagram_block(data, endpoint, url_of(endpoint), is_sent=is_sent, at=at)
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
            await asyncio.sleep(0)
    if part:
        yield bytes(part)
