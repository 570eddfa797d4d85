"""Lists of peers are followed: what they bring comes, what they drop goes, and what else wants a peer keeps it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from unittest.mock import Mock

import pytest

from mycelium.admin.proxy_url import ProxyUrl
from mycelium.daemon import list_sources, peer_lists
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.peers import Peers
from mycelium.errors import ResolveError
from mycelium.node.node import Node
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S

LIST = PeerListUrl.parse("dns://mesh.example")
ONE, OTHER, THIRD = (PeerUrl.parse(f"udp://{name}:9651") for name in ("one", "other", "third"))


class Followed:
    """Lists whose content the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node: Node = NodeNet().add("a").node
        self.peers = Peers(self.node, lambda action: action(1000.0), lambda endpoint: None)
        self.content: list[PeerUrl] | ResolveError = [ONE, OTHER]
        self.reads = 0
        monkeypatch.setattr(list_sources, "read_list", self._read)
        monkeypatch.setattr(peer_lists, "REFRESH_S", 0.01)
        monkeypatch.setattr(peer_lists, "FIRST_RETRY_S", 0.01)

    async def _read(self, url: PeerListUrl, proxy: ProxyUrl | None) -> list[PeerUrl]:
        self.reads += 1
        if isinstance(self.content, ResolveError):
            raise self.content
        return self.content

    @property
    def urls(self) -> set[str]:
        return set(self.node.peers.by_url)

    def run(self, scene: Callable[[PeerLists], Awaitable[None]]) -> None:
        async def running() -> None:
            tasks: list[asyncio.Task[None]] = []

            def spawn(reading: Awaitable[None]) -> asyncio.Task[None]:
                tasks.append(asyncio.ensure_future(reading))
                return tasks[-1]

            try:
                await scene(PeerLists(self.peers, spawn))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(running())

    async def until(self, *urls: PeerUrl) -> None:
        """Waits until the node has these peers, and the list was read once more."""
        async with asyncio.timeout(PATIENCE_S):
            before = self.reads
            while self.urls != {str(url) for url in urls} or self.reads < before + 2:  # noqa: ASYNC110 - a condition on plain values, not an event
                await asyncio.sleep(0.001)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Followed:
    return Followed(monkeypatch)


def test_what_a_list_brings_comes_and_what_it_drops_goes(followed: Followed) -> None:
    async def scene(lists: PeerLists) -> None:
        lists.follow([THIRD, LIST])
        await followed.until(ONE, OTHER, THIRD)
        assert followed.peers.list_of(str(ONE)) == "dns://mesh.example"
        assert followed.peers.list_of(str(THIRD)) is None
        followed.content = [OTHER]
        await followed.until(OTHER, THIRD)
        lists.follow([THIRD])
        assert followed.urls == {str(THIRD)}

    followed.run(scene)


def test_a_host_without_a_thread_left_is_the_cause_until_there_is_one(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(lists: PeerLists) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
            lists.follow([LIST])
            async with asyncio.timeout(PATIENCE_S):
                while lists.by_url[LIST].trouble is None:  # noqa: ASYNC110 - a plain value, not an event
                    await asyncio.sleep(0.001)
            assert lists.by_url[LIST].trouble == "this host has no thread left for it"
        await followed.until(ONE, OTHER)
        assert lists.by_url[LIST].trouble is None

    followed.run(scene)


def test_what_else_wants_a_peer_keeps_it(followed: Followed) -> None:
    async def scene(lists: PeerLists) -> None:
        followed.peers.add(OTHER)
        lists.follow([ONE, LIST])
        await followed.until(ONE, OTHER)
        followed.content = [THIRD]
        await followed.until(ONE, OTHER, THIRD)
        lists.follow([LIST])
        await followed.until(OTHER, THIRD)

    followed.run(scene)


def test_a_peer_that_was_removed_by_hand_stays_away(followed: Followed) -> None:
    async def scene(lists: PeerLists) -> None:
        lists.follow([LIST])
        await followed.until(ONE, OTHER)
        followed.peers.remove(ONE)
        await followed.until(OTHER)
        lists.follow([LIST])
        await followed.until(OTHER)
        lists.follow([ONE, OTHER])  # the configuration names them itself now
        assert followed.urls == {str(OTHER)}

    followed.run(scene)


def test_a_list_that_cannot_be_read_says_why_and_what_it_brought_stays(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(lists: PeerLists) -> None:
        lists.follow([LIST])
        await followed.until(ONE, OTHER)
        followed.content = ResolveError("line 7: what is that")
        await followed.until(ONE, OTHER)
        assert lists.by_url[LIST].trouble == "line 7: what is that"
        assert "peer list dns://mesh.example: line 7: what is that" in caplog.messages
        followed.content = [ONE]
        await followed.until(ONE)
        assert lists.by_url[LIST].trouble is None

    followed.run(scene)
