"""The journal on the operator's side: in words, in the log, and by long polls."""

import asyncio
import logging
import time
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.daemon.events import EventLog, event_infos
from mycelium.endpoint import Endpoint
from mycelium.limits import JOURNAL_LINES_PER_SECOND
from mycelium.node.journal import Journal, Kind
from tests.api.support import ADDRESS, FakeNode, serving

A, B, C = (bytes((4, number)) + bytes(13) + b"\1" for number in range(3))
HERE = Endpoint("udp", "192.0.2.1", 9651)
THERE = Endpoint("udp", "2001:db8::2", 9651)
LONG_S = 20.0


def full_journal() -> Journal:
    """Returns a journal with an entry of each kind."""
    now = monotonic()
    journal = Journal(now=now)
    journal.link_up(A, HERE, now=now)
    journal.link_suspect(A, 0.07, now=now)
    journal.link_trusted(A, now=now)
    journal.link_restarted(A, now=now)
    journal.link_keys(A, now=now)
    journal.link_moved(A, HERE, THERE, now=now)
    journal.link_down(A, "silent", 0.205, now=now)
    journal.link_down(B, "closed", 0.0, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 1, now=now)
    journal.peer_failed("udp://a:9651", "no answer", 2, now=now)
    journal.session_renewed(C, now=now)
    changes = [(now, A, None, B, "better"), (now, A, B, C, "suspected")]
    journal.routes_changed(
        changes, 9, is_in_use=lambda node: False, silent_since=lambda node: now - 0.25 if node == B else inf, now=now
    )
    journal.sweep(now=now)
    journal.routes_changed(
        [(now, C, B, None, "lost")], 10, is_in_use=lambda node: False, silent_since=lambda node: inf, now=now
    )
    journal.sweep(now=now + 2)
    return journal


def test_every_kind_has_words() -> None:
    infos = event_infos(full_journal(), 0)
    assert [describe(info) for info in infos] == [
        "link up: 400::1 at udp://192.0.2.1:9651",
        "link suspect: 400::1, silent for 0.07 s",
        "link trusted again: 400::1",
        "link restarted: 400::1",
        "link keys renewed: 400::1",
        "link moved: 400::1 from udp://192.0.2.1:9651 to udp://[2001:db8::2]:9651",
        "link down: 400::1, silent for 0.20 s",
        "link down: 401::1, closed",
        "peer udp://a:9651: no answer",
        "peer udp://a:9651: no answer, 2 times in a row",
        "session renewed: 402::1",
        "route to 400::1: none -> 401::1, better",
        "route to 400::1: 401::1 -> 402::1, suspected, 0.250 s without",
        "routes: 7 more changes",
        "route to 402::1: 401::1 -> none, lost",
    ]
    assert {info.kind for info in infos} == {kind.value for kind in Kind}
    assert all(abs(info.time - time.time()) < 5 for info in infos)
    assert describe(EventInfo(sequence=1, time=0.0, kind="of a newer daemon")) == "of a newer daemon"


def test_the_log_has_links_as_information_routes_as_details_and_failures_as_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(now=monotonic())
    log = EventLog(journal)
    with caplog.at_level(logging.DEBUG, "mycelium"):
        journal.link_up(A, HERE, now=monotonic())
        log.follow()
        journal.peer_failed("udp://a:9651", "the name is not known", 1, now=monotonic())
        now = monotonic()
        journal.routes_changed(
            [(now, A, None, B, "better")], 1, is_in_use=lambda node: True, silent_since=lambda node: inf, now=now
        )
        log.follow()
        log.follow()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "link up: 400::1 at udp://192.0.2.1:9651"),
        ("WARNING", "peer udp://a:9651: the name is not known"),
        ("DEBUG", "route to 400::1: none -> 401::1, better"),
    ]


def test_a_flood_of_events_is_logged_in_part_and_the_rest_is_counted(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("mycelium.daemon.events.monotonic", lambda: clock[0])
    journal = Journal(now=100.0)
    log = EventLog(journal)
    with caplog.at_level(logging.INFO, "mycelium"):
        for _ in range(500):
            journal.link_trusted(A, now=100.0)
            log.follow()
        assert len(caplog.records) == JOURNAL_LINES_PER_SECOND
        clock[0] += 1.0
        journal.link_trusted(A, now=101.0)
        log.follow()
    assert str(500 - JOURNAL_LINES_PER_SECOND) in caplog.records[-2].getMessage()
    assert "link trusted again" in caplog.records[-1].getMessage()


# -- by the API --------------------------------------------------------------------------------------------------------


def event(sequence: int) -> EventInfo:
    return EventInfo(sequence=sequence, time=1.5, kind="link-up", node=ADDRESS)


class Api:
    """A fake node's API, and calls of it."""

    def __init__(self, node: FakeNode, session: aiohttp.ClientSession) -> None:
        self.node = node
        self._session = session

    async def get(self, query: str) -> tuple[int, Any]:
        async with self._session.get(f"http://localhost/api/v1/admin/events{query}") as response:
            return response.status, await response.json()


async def with_api(folder: Path, talk: Any) -> None:
    node = FakeNode()
    address = ApiAddress.parse(f"unix:{folder}/api.sock")
    async with serving(node, address), aiohttp.ClientSession(connector=aiohttp.UnixConnector(address.path)) as session:
        await talk(Api(node, session))


def test_events_are_listed_after_a_number_without_the_fields_they_do_not_have(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        assert await api.get("") == (200, [])
        api.node.happened = [event(1), event(2)]
        first, second = ({"sequence": number, "time": 1.5, "kind": "link-up", "node": ADDRESS} for number in (1, 2))
        assert await api.get("") == (200, [first, second])
        assert await api.get("?after=1") == (200, [second])
        assert await api.get(f"?after=1&wait={LONG_S}") == (200, [second])
        assert await api.get("?after=2") == (200, [])

    asyncio.run(with_api(tmp_path, talk))


def test_a_long_poll_ends_with_the_next_event(tmp_path: Path) -> None:
    async def talk(api: Api) -> None:
        begin = monotonic()
        asyncio.get_running_loop().call_later(0.1, api.node.happen, event(1))
        status, (found,) = await api.get(f"?after=0&wait={LONG_S}")
        assert (status, found["sequence"]) == (200, 1)
        assert 0.09 < monotonic() - begin < LONG_S / 2

    asyncio.run(with_api(tmp_path, talk))


def test_a_long_poll_ends_empty_when_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.api.app.API_WAIT_S", 0.1)

    async def talk(api: Api) -> None:
        for wait in ("0.05", "1e9", "inf", "nan", "-3"):
            assert await api.get(f"?wait={wait}") == (200, [])

    asyncio.run(with_api(tmp_path, talk))


def test_a_long_poll_does_not_keep_the_daemon_from_stopping(tmp_path: Path) -> None:
    async def run() -> None:
        node = FakeNode()
        async with serving(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "api.sock")
            writer.write(f"GET /api/v1/admin/events?wait={LONG_S} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await node.watched.wait()
            begin = monotonic()
        assert monotonic() - begin < 0.9
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await writer.wait_closed()

    asyncio.run(run())


@pytest.mark.parametrize("query", ["?after=x", "?after=1.5", "?wait=soon", "?after="])
def test_what_is_no_number_is_refused(tmp_path: Path, query: str) -> None:
    async def talk(api: Api) -> None:
        status, answer = await api.get(query)
        assert (status, "whole number" in answer["error"]) == (400, True)

    asyncio.run(with_api(tmp_path, talk))
