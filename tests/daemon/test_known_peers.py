"""What is known of other nodes on disk: it comes back, and what is damaged is said and forgotten."""

import asyncio
import contextlib
import errno
from pathlib import Path
from unittest.mock import Mock

import pytest

from mycelium.daemon import known_peers
from mycelium.daemon.known_peers import KnownPeersFile, read_known_peers, write_known_peers
from mycelium.wire.known_peer import KnownPeer
from mycelium.wire.underlay_address import UnderlayAddress
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S

PEERS = [
    KnownPeer("udp", UnderlayAddress("5.6.7.8", 9651), bytes(range(32))),
    KnownPeer("tcp", UnderlayAddress("2a00::1", 443), bytes(31) + b"\1"),
]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    write_known_peers(tmp_path / "peers", PEERS)
    assert read_known_peers(tmp_path / "peers") == PEERS
    assert (tmp_path / "peers").stat().st_mode & 0o777 == 0o600


def test_without_a_file_nothing_is_known_and_nothing_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read_known_peers(tmp_path / "peers") == []
    assert caplog.messages == []


def test_the_file_of_a_newer_version_is_said_to_be_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers"
    path.write_bytes(b"# mycelium 999.1\n{}\n")
    assert read_known_peers(path) == []
    [told] = caplog.messages
    assert told.startswith(f"what was known of other nodes is lost: {path} was written by mycelium 999.1, and this is ")


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 100,
        b"\xff\xfe\n",
        b"udp://5.6.7.8:9651\n",  # without a key
        b"5.6.7.8:9651#" + b"00" * 32 + b"\n",  # without a scheme
        b"udp://name:9651#" + b"00" * 32 + b"\n",
        b"tls://5.6.7.8:443?sni=a.b#" + b"00" * 32 + b"\n",
        b"udp://5.6.7.8:9651#00",  # cut off
        b"x" * 100_000,
    ],
)
def test_a_damaged_file_is_said_and_forgotten(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers"
    path.write_bytes(content)
    assert read_known_peers(path) == []
    path.unlink()
    path.mkdir()
    assert read_known_peers(path) == []
    whys = (f"{path} holds something else", f"{path} is not a regular file")
    assert caplog.messages == [f"what was known of other nodes is lost: {why}" for why in whys]


@pytest.mark.parametrize("damage", [b"\xff\n", b"bluetooth://5.6.7.8#00\n", b"\0" * 100 + b"\n"])
def test_one_damaged_line_loses_no_other(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers"
    write_known_peers(path, PEERS)
    version, *lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(version + lines[0] + damage + lines[1])
    assert read_known_peers(path) == PEERS
    assert caplog.messages == [f"a part of what was known of other nodes is lost: {path} is damaged"]


def test_a_node_gets_what_was_known_and_has_what_it_learns_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_peers, "SAVE_EVERY_S", 0.01)
    node, path = NodeNet().add("a").node, tmp_path / "key.peers"
    write_known_peers(path, PEERS[:1])
    file = KnownPeersFile(node, lambda action: action(1000.0), tmp_path / "key")

    async def learn() -> None:
        running = asyncio.ensure_future(file.run())
        node.exchange.known.learn(PEERS[1:], b"teacher", now=1000.0)
        async with asyncio.timeout(PATIENCE_S):
            while read_known_peers(path) != PEERS:  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.01)
        running.cancel()

    file.keep(2)
    assert list(node.exchange.known.by_peer) == PEERS[:1]
    assert node.exchange.auto.wanted == 2
    asyncio.run(learn())


def test_what_a_full_disk_did_not_take_is_written_once_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(known_peers, "SAVE_EVERY_S", 0.01)
    node, path = NodeNet().add("a").node, tmp_path / "key.peers"
    file = KnownPeersFile(node, lambda action: action(1000.0), tmp_path / "key")
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))

    async def learn() -> None:
        running = asyncio.ensure_future(file.run())
        async with asyncio.timeout(PATIENCE_S):
            with monkeypatch.context() as disk:
                disk.setattr(known_peers, "write_state", full)
                node.exchange.known.learn(PEERS[:1], b"teacher", now=1000.0)
                while full.call_count < 3:  # noqa: ASYNC110 - a count, not an event
                    await asyncio.sleep(0.01)
            while read_known_peers(path) != PEERS[:1]:  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(learn())
    assert caplog.messages == [f"cannot keep what is known of other nodes in {path}: No space left on device"]


def test_what_was_learned_last_is_written_at_the_end(tmp_path: Path) -> None:
    node, path = NodeNet().add("a").node, tmp_path / "key.peers"
    file = KnownPeersFile(node, lambda action: action(1000.0), tmp_path / "key")

    async def learn() -> None:
        running = asyncio.ensure_future(file.run())
        await asyncio.sleep(0)
        node.exchange.known.learn(PEERS, b"teacher", now=1000.0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(learn())
    assert read_known_peers(path) == PEERS


def test_nothing_is_read_for_a_node_that_wants_none(tmp_path: Path) -> None:
    node = NodeNet().add("a").node
    write_known_peers(tmp_path / "key.peers", PEERS)
    KnownPeersFile(node, lambda action: action(1000.0), tmp_path / "key").keep(0)
    assert not node.exchange.known.by_peer
