"""Streams tell what is different, in time, to a bounded number of readers, and cost nothing without one."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mycelium.admin.control import EventInfo
from mycelium.admin.mesh import MeshNodeInfo
from mycelium.api import connection, stream
from mycelium.api.counters import ApiCounters
from mycelium.api.stream import Streams
from mycelium.errors import HttpError
from mycelium.limits import API_EVENTS_PER_UPDATE, API_STREAMS
from tests.api.fake_mesh import HERE, QUIET, THERE
from tests.api.support import FIRST_PEER, FakeNode, serving, unix
from tests.lab.waiting import PATIENCE_S

ONE, OTHER = bytes([4, *bytes(14), 1]), bytes([4, *bytes(14), 2])
GET = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVERY_S", 0.02)
    monkeypatch.setattr(stream, "SOON_S", 0.0)
    monkeypatch.setattr(stream, "_SHARED_S", 0.0)


def link_up(sequence: int) -> EventInfo:
    return EventInfo(sequence=sequence, time=1.0, kind="link-up", node="400::1", after="udp://192.0.2.1:9651")


def opened(streams: Streams) -> AsyncGenerator[bytes, None]:
    parts = streams.open().parts
    assert parts is not None
    return parts


async def told(parts: AsyncGenerator[bytes, None], *fields: str) -> dict[str, Any]:
    """Returns the next update that has one of these fields."""
    async with asyncio.timeout(PATIENCE_S):
        async for part in parts:
            assert part.startswith(b"data: ")
            assert part.endswith(b"\n\n")
            update: dict[str, Any] = json.loads(part[6:])
            if not fields or update.keys() & set(fields):
                return update
    raise AssertionError("the stream ended")


def test_the_first_update_tells_everything_and_the_next_ones_what_is_different() -> None:
    async def run() -> None:
        node = FakeNode()
        node.hops = {ONE: (ONE, 120, "berlin"), OTHER: (ONE, 300, None)}
        node.happen(link_up(1))
        parts = opened(Streams(node, ApiCounters()))
        first = await told(parts)
        assert first["peers"][f"static {FIRST_PEER}"]["rttMs"] == 1.25
        assert first["routes"] == {"400::1": ["400::1", 120, "berlin"], "400::2": ["400::1", 300, None]}
        (event,) = first["events"]
        assert event["event"]["node"] == "400::1"
        assert event["text"] == "link up: 400::1 answers at udp://192.0.2.1:9651"
        assert (await told(parts)).keys() == {"time"}
        node.hops = {ONE: (ONE, 130, None)}
        assert (await told(parts, "routes"))["routes"] == {"400::1": ["400::1", 130, None], "400::2": None}
        node.urls = []
        assert (await told(parts, "peers"))["peers"] == {f"static {FIRST_PEER}": None}
        await parts.aclose()

    asyncio.run(run())


def test_an_event_is_told_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVERY_S", 1_000_000.0)

    async def run() -> None:
        node = FakeNode()
        parts = opened(Streams(node, ApiCounters()))
        await told(parts)
        waiting = asyncio.ensure_future(told(parts, "events"))
        await node.watched.wait()
        node.happen(link_up(1))
        assert [one["event"]["sequence"] for one in (await waiting)["events"]] == [1]
        await parts.aclose()

    asyncio.run(run())


def test_a_long_journal_is_told_in_portions() -> None:
    async def run() -> None:
        node = FakeNode()
        for sequence in range(1, API_EVENTS_PER_UPDATE + 2):
            node.happen(link_up(sequence))
        parts = opened(Streams(node, ApiCounters()))
        assert len((await told(parts))["events"]) == API_EVENTS_PER_UPDATE
        assert [one["event"]["sequence"] for one in (await told(parts))["events"]] == [API_EVENTS_PER_UPDATE + 1]
        await parts.aclose()

    asyncio.run(run())


def test_nothing_is_computed_while_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    class Watched(FakeNode):
        def next_hops(self) -> dict[bytes, tuple[bytes, int, str | None]]:
            looks.append(1)
            return {}

    async def run() -> None:
        monkeypatch.setattr(stream, "_SHARED_S", PATIENCE_S)
        streams = Streams(Watched(), ApiCounters())
        first, second = opened(streams), opened(streams)
        assert not looks
        await told(first)
        await told(second)
        assert len(looks) == 1  # both share it
        await first.aclose()
        await second.aclose()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_the_number_of_streams_is_bounded_and_one_that_ends_makes_room() -> None:
    async def run() -> None:
        counters = ApiCounters()
        streams = Streams(FakeNode(), counters)
        mesh = streams.open_mesh().parts
        assert mesh is not None
        all_parts = [mesh, *(opened(streams) for _ in range(API_STREAMS - 1))]
        for parts in all_parts:
            await told(parts)
        with pytest.raises(HttpError, match="close another page") as refused:
            streams.open()
        assert (refused.value.status, counters.streams_refused) == (503, 1)
        with pytest.raises(HttpError):
            streams.open_mesh()
        await all_parts.pop().aclose()
        all_parts.append(opened(streams))
        for parts in all_parts:
            await parts.aclose()

    asyncio.run(run())


def test_a_stream_of_the_mesh_tells_what_is_different_and_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.01)
    monkeypatch.setattr(stream, "_SHARED_S", 0.0)

    async def run() -> None:
        node = FakeNode()
        parts = Streams(node, ApiCounters()).open_mesh().parts
        assert parts is not None
        first = await told(parts)
        assert list(first["nodes"]) == [HERE, THERE, QUIET]
        assert first["nodes"][THERE]["links"][QUIET] == {"cost": 300, "suspect": True}
        node.mesh.nodes = {HERE: node.mesh.nodes[HERE], THERE: MeshNodeInfo("silent")}
        silent: dict[str, Any] = {"answer": "silent", "name": None, "links": {}}
        assert (await told(parts))["nodes"] == {THERE: silent, QUIET: None}
        looks = node.mesh.looks
        monkeypatch.setattr(stream, "LIFE_S", 0.1)
        assert (await told(parts))["nodes"] == {}
        assert node.mesh.looks > looks, "nodes are asked on"
        await parts.aclose()

    asyncio.run(run())


def test_streams_of_the_mesh_share_their_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SHARED_S", 1_000.0)

    async def run() -> None:
        node = FakeNode()
        streams = Streams(node, ApiCounters())
        for _ in range(5):
            parts = streams.open_mesh().parts
            assert parts is not None
            assert list((await told(parts))["nodes"]) == [HERE, THERE, QUIET]
            await parts.aclose()
        assert node.mesh.looks == 1

    asyncio.run(run())


def test_a_slow_reader_gets_fewer_updates_which_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVERY_S", 1_000.0)

    async def run() -> None:
        counters = ApiCounters()
        parts = opened(Streams(FakeNode(), counters))
        await told(parts)
        loop = asyncio.get_running_loop()
        real = loop.time
        loop.time = lambda: real() + 3.5 * stream.EVERY_S  # type: ignore[method-assign]
        await parts.aclose()
        assert counters.updates_skipped == 3

    asyncio.run(run())


def test_a_stream_outlives_the_time_that_an_idle_connection_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(GET)
            assert b"Content-Type: text/event-stream" in await reader.readuntil(b"\r\n\r\n")
            monkeypatch.setattr(connection, "IDLE_SECONDS", 0.1)
            for _ in range(20):  # 20 updates take 0.4 s
                await reader.readuntil(b"\n\n\r\n")
            writer.close()

    asyncio.run(run())


def test_a_reader_that_takes_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Verbose(FakeNode):
        def next_hops(self) -> dict[bytes, tuple[bytes, int, str | None]]:
            self.cost = getattr(self, "cost", 0) + 1
            return {number.to_bytes(16): (ONE, self.cost, None) for number in range(5_000)}

    async def run() -> None:
        async with serving(Verbose(), unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            monkeypatch.setattr(connection, "IDLE_SECONDS", 0.1)
            await asyncio.gather(*(one.serving for one in server.connections))
            writer.close()

    asyncio.run(run())


def test_a_stop_ends_streams_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S):
            async with serving(FakeNode(), unix(tmp_path)) as server:
                reader, writer = await asyncio.open_unix_connection(server.address.path)
                writer.write(GET)
                await reader.readuntil(b"\n\n\r\n")
            await reader.read()
            writer.close()

    asyncio.run(run())


def test_the_head_of_a_stream_can_be_asked_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(GET.replace(b"GET", b"HEAD") + GET.replace(b"GET", b"POST"))
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert b"405 Method" in await reader.readuntil(b"\r\n\r\n")
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("way", ["closes", "resets", "sends nothing more"])
def test_a_stream_ends_with_its_reader_though_nothing_is_written(tmp_path: Path, way: str) -> None:
    class Silent(FakeNode):
        async def _captured(self) -> AsyncGenerator[bytes, None]:
            self.is_captured = True
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                self.is_captured = False

    async def run() -> None:
        node = Silent()
        async with serving(node, unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(GET.replace(b"stream", b"admin/capture"))
            await reader.readuntil(b"first")
            assert node.is_captured
            if way == "closes":
                writer.close()
            elif way == "resets":
                writer.transport.abort()
            else:
                writer.write_eof()
            await asyncio.gather(*(one.serving for one in server.connections), return_exceptions=True)
            assert not node.is_captured
            assert not server.connections
            writer.close()

    asyncio.run(run())


def test_a_stream_whose_reader_left_before_it_began_does_not_begin(tmp_path: Path) -> None:
    async def run() -> None:
        node = FakeNode()
        async with serving(node, unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            waits = b"GET /api/v1/admin/events?wait=0.05 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(waits + GET)
            writer.write_eof()
            answers = await reader.read()
            assert answers.count(b"200 OK") == 2
            assert b"data: " not in answers
            assert not server.connections
            writer.close()

    asyncio.run(run())


def test_who_sends_nothing_more_after_a_stream_that_has_ended_is_answered_too(tmp_path: Path) -> None:
    class Brief(FakeNode):
        async def _captured(self) -> AsyncGenerator[bytes, None]:
            yield b"all"

    async def run() -> None:
        node = Brief()
        async with serving(node, unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            waits = b"GET /api/v1/admin/events?wait=0.05 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            writer.write(GET.replace(b"stream", b"admin/capture") + waits)
            await node.watched.wait()
            writer.write_eof()
            assert (await reader.read()).count(b"200 OK") == 2
            writer.close()

    asyncio.run(run())


def test_who_sends_nothing_more_is_answered_all_the_same(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(b"GET /api/v1/admin/events?wait=0.05 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            writer.write_eof()
            assert b"200 OK" in await reader.read()
            writer.close()

    asyncio.run(run())
