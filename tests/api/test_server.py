"""The API as it is served: guarded, bounded, started and stopped."""

import asyncio
import contextlib
import http.client
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.exposition import CONTENT_TYPE
from mycelium.api import listener
from mycelium.api.server import ApiServer, MetricsServer
from mycelium.errors import ConfigError, DeviceError
from mycelium.limits import API_CONNECTIONS
from tests.api.support import LOOPBACK, Call, FakeNode, calling, serving, start_and_stop, unix
from tests.lab.waiting import PATIENCE_S


def test_a_caller_that_speaks_no_http_is_answered_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(b"\0garbage\r\n\r\n")
            assert (await reader.readline()).endswith(b"400 Bad Request\r\n")
            writer.close()

    asyncio.run(run())
    assert caplog.messages == []


def test_web_pages_and_foreign_host_names_are_refused_on_loopback() -> None:
    async def talk(call: Call) -> None:
        page = {"Origin": "http://evil.example"}
        assert (await call("POST", "/admin/peers", json={"endpoint": "udp://a"}, headers=page))[0] == 403
        assert (await call("DELETE", "/admin/peers/udp%3A%2F%2F198.51.100.7", headers=page))[0] == 403
        assert (await call("GET", "/admin", headers={"Host": "evil.example"}))[0] == 403
        assert len((await call("GET", "/admin/peers"))[1]) == 1

    calling(LOOPBACK, talk)


def test_a_token_opens_the_api_and_nothing_else_does() -> None:
    async def talk(call: Call) -> None:
        assert (await call("GET", "/admin"))[0] == 401
        assert (await call("GET", "/admin", headers={"Authorization": "Bearer wrong"}))[0] == 401
        assert (await call("GET", "/admin", headers={"Authorization": "Bearer right"}))[0] == 200

    calling(LOOPBACK, talk, token="right")


def test_a_call_without_the_token_is_told_how_to_show_it() -> None:
    async def run() -> None:
        async with (
            serving(FakeNode(), LOOPBACK, token="right") as server,
            aiohttp.ClientSession() as session,
            session.get(f"http://{server.address}/api/v1/admin") as answer,
        ):
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")

    asyncio.run(run())


def test_a_public_address_without_token_is_refused_before_anything_listens() -> None:
    with pytest.raises(ConfigError, match="needs --api-token-file"):
        start_and_stop(ApiAddress("0.0.0.0", 0))


def test_silent_callers_keep_nobody_out(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server:
            streams = [await asyncio.open_unix_connection(server.address.path) for _ in range(API_CONNECTIONS + 1)]
            async with asyncio.timeout(PATIENCE_S):
                assert await streams[0][0].read() == b""  # a silent caller gives way
                reader, writer = streams[-1]
                writer.write(b"GET /api/v1/admin HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            for _, writer in streams:
                writer.close()

    asyncio.run(run())


def test_stopping_what_never_started_is_harmless() -> None:
    asyncio.run(ApiServer(LOOPBACK).stop())


def test_what_was_bound_is_given_back_where_nothing_started(tmp_path: Path) -> None:
    async def run() -> None:
        server = ApiServer(unix(tmp_path))
        server.bind()
        assert os.listdir(tmp_path) == ["api.sock"]
        await server.stop()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_a_socket_is_served_in_a_folder_that_the_daemon_can_not_enter_any_more(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    folder.mkdir()

    async def run() -> None:
        server = ApiServer(unix(folder))
        server.bind()
        folder.rename(elsewhere)
        folder.touch()  # whoever looks for the socket's file gets an error that says more than that it is not there
        await server.start(FakeNode())
        await server.stop()

    asyncio.run(run())


def test_calls_wait_from_bind_on(tmp_path: Path) -> None:
    async def run() -> bytes:
        server = ApiServer(unix(tmp_path))
        server.bind()
        reader, writer = await asyncio.open_unix_connection(server.address.path)
        writer.write(b"GET /api/v1/admin HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await server.start(FakeNode())
        answer = await reader.readline()
        writer.close()
        await server.stop()
        return answer

    assert asyncio.run(run()) == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("turns", range(12))
def test_a_connection_is_closed_however_shortly_before_the_stop_it_came(tmp_path: Path, turns: int) -> None:
    async def call() -> bytes:
        server = ApiServer(ApiAddress.parse(f"unix:{tmp_path}/api.sock"))
        server.bind()
        await server.start(FakeNode())
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(f"{tmp_path}/api.sock")
            caller.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.stop()
            with contextlib.suppress(ConnectionResetError):
                return caller.recv(1)
            return b""

    assert asyncio.run(call()) == b""


def scraped(server: ApiServer, path: str, **headers: str) -> tuple[int, str, bytes]:
    """Returns status, type and body of a call, made by a thread while a fake node is served."""

    def call(port: int) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type", ""), response.read()

    async def run() -> tuple[int, str, bytes]:
        server.bind()
        await server.start(FakeNode())
        try:
            return await asyncio.to_thread(call, server.address.port)
        finally:
            await server.stop()

    return asyncio.run(run())


def test_metrics_are_served_as_prometheus_wants_them_and_under_the_guard_of_the_api() -> None:
    status, kind, body = scraped(ApiServer(LOOPBACK), "/metrics")
    assert (status, kind) == (200, CONTENT_TYPE)
    assert body == FakeNode().exposition()
    assert scraped(ApiServer(LOOPBACK), "/metrics", Host="evil.example")[0] == 403
    assert scraped(ApiServer(LOOPBACK, token="right"), "/metrics")[0] == 401
    assert scraped(ApiServer(LOOPBACK, token="right"), "/metrics", Authorization="Bearer right")[0] == 200


def test_an_address_for_metrics_alone_has_nothing_else() -> None:
    assert scraped(MetricsServer(LOOPBACK), "/metrics")[::2] == (200, FakeNode().exposition())
    assert scraped(MetricsServer(LOOPBACK), "/api/v1/admin/peers")[0] == 404
    assert scraped(MetricsServer(LOOPBACK), "/metrics", Host="evil.example")[0] == 403


def test_metrics_alone_may_be_open_to_other_hosts_by_any_name() -> None:
    status, _, body = scraped(MetricsServer(ApiAddress("0.0.0.0", 0)), "/metrics", Host="node.example:9100")
    assert (status, body) == (200, FakeNode().exposition())


def test_an_address_that_is_taken_is_told_with_its_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_ASK_S", 0.05)  # the holder does not answer
    holder = MetricsServer(LOOPBACK)
    holder.bind()
    for server, flag in ((MetricsServer, "--metrics-api-address"), (ApiServer, "--api-addr")):
        with pytest.raises(DeviceError, match=f"choose another address with {flag}"):
            server(holder.address).bind()
    asyncio.run(holder.stop())
