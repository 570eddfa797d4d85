import asyncio
import json
import socket
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.api.server import ApiServer
from mycelium.errors import ConfigError, DeviceError
from mycelium.limits import API_BODY_BYTES, API_CONNECTIONS
from tests.api.support import ADDRESS, FIRST_PEER, KEY, FakeNode, serving

LOOPBACK = ApiAddress("127.0.0.1", 0)

Call = Callable[..., Coroutine[Any, Any, tuple[int, Any]]]


def unix(folder: Path) -> ApiAddress:
    return ApiAddress.parse(f"unix:{folder}/api.sock")


def calling(
    address: ApiAddress, talk: Callable[[Call], Coroutine[Any, Any, None]], *, token: str | None = None
) -> None:
    """Serves a fake node at `address` while `talk` runs; it is handed a function that makes one call."""

    async def run() -> None:
        async with serving(FakeNode(), address, token=token) as server:
            connector = aiohttp.UnixConnector(address.path) if address.is_unix else aiohttp.TCPConnector()
            base = "http://localhost" if address.is_unix else f"http://{server.address}"
            async with aiohttp.ClientSession(connector=connector) as session:

                async def call(method: str, path: str, **options: Any) -> tuple[int, Any]:
                    async with session.request(method, f"{base}/api/v1{path}", **options) as response:
                        body = await response.read()
                        return response.status, json.loads(body) if body else None

                await talk(call)

    asyncio.run(run())


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> ApiAddress:
    return unix(tmp_path) if request.param == "unix" else LOOPBACK


def test_snapshots_have_the_field_names_of_the_rust_implementation(address: ApiAddress) -> None:
    async def talk(call: Call) -> None:
        assert await call("GET", "/admin") == (
            200,
            {
                "nodeSubnet": "5c3:943d:3d21:1d4b::/64",
                "nodeIp": ADDRESS,
                "nodePubkey": KEY,
                "nodeStartTime": 1_795_000_000,
            },
        )
        status, (peer,) = await call("GET", "/admin/peers")
        assert status == 200
        assert peer["endpoint"] == {"proto": "udp", "addr": "198.51.100.7:9651"}
        assert {"type", "connectionState", "txBytes", "rxBytes", "discovered", "lastConnected"} < set(peer)
        assert await call("GET", "/admin/routes/selected") == (
            200,
            [
                {"subnet": "5c3:943d:3d21:1d4b::/64", "nextHop": FIRST_PEER, "metric": 63, "seqno": 7},
                {"subnet": "400:1::/64", "nextHop": "-", "metric": "infinite", "seqno": 1},
            ],
        )
        assert await call("GET", "/admin/routes/fallback") == (200, [])
        status, answer = await call("GET", "/admin/status")
        assert (status, answer["peersAlive"]) == (200, 1)

    calling(address, talk)


def test_peers_come_and_go_with_the_anchors_status_codes(address: ApiAddress) -> None:
    async def talk(call: Call) -> None:
        new = {"endpoint": f"udp://[2001:db8::1]:7#{KEY}"}
        path = f"/admin/peers/udp%3A%2F%2F%5B2001%3Adb8%3A%3A1%5D%3A7%23{KEY}"
        assert await call("POST", "/admin/peers", json=new) == (204, None)
        status, answer = await call("POST", "/admin/peers", json=new)
        assert (status, "a peer already" in answer["error"]) == (409, True)
        assert len((await call("GET", "/admin/peers"))[1]) == 2
        assert (await call("DELETE", path))[0] == 204
        assert (await call("DELETE", path))[0] == 404
        assert (await call("DELETE", "/admin/peers/nonsense"))[0] == 400

    calling(address, talk)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"endpoint":1}', b"{}", b"\xff", b'{"x":' + b"[" * 10_000, b'{"endpoint":"x"}'],
)
def test_a_bad_body_is_a_400_that_says_why(tmp_path: Path, body: bytes) -> None:
    async def talk(call: Call) -> None:
        status, answer = await call("POST", "/admin/peers", data=body)
        assert status == 400
        assert answer["error"]

    calling(unix(tmp_path), talk)


def test_whatever_else_is_asked_is_answered_by_json_too(tmp_path: Path) -> None:
    async def talk(call: Call) -> None:
        assert await call("GET", "/nothing") == (404, {"error": "Not Found"})
        assert await call("PUT", "/admin") == (405, {"error": "Method Not Allowed"})
        assert (await call("POST", "/admin/peers", data=b" " * (API_BODY_BYTES + 1)))[0] == 413

    calling(unix(tmp_path), talk)


def test_a_key_is_found_by_any_spelling_of_its_address(tmp_path: Path) -> None:
    async def talk(call: Call) -> None:
        assert await call("GET", f"/pubkey/{ADDRESS}") == (200, {"publicKey": KEY})
        assert await call("GET", f"/pubkey/{ADDRESS.upper().replace(':113', ':0113')}") == (200, {"publicKey": KEY})
        assert (await call("GET", "/pubkey/400::1"))[0] == 404
        assert (await call("GET", "/pubkey/127.0.0.1"))[0] == 400
        assert (await call("GET", "/pubkey/%00"))[0] == 400

    calling(unix(tmp_path), talk)


def test_an_error_inside_the_node_is_a_500_and_the_next_call_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(node: FakeNode) -> None:
        raise KeyError("inner detail")

    monkeypatch.setattr(FakeNode, "status", broken)

    async def talk(call: Call) -> None:
        status, answer = await call("GET", "/admin/status")
        assert (status, "inner detail" in str(answer)) == (500, False)
        assert (await call("GET", "/admin"))[0] == 200

    calling(unix(tmp_path), talk)
    assert "KeyError" in caplog.text


def test_a_caller_that_speaks_no_http_is_answered_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(5):
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


def start_and_stop(address: ApiAddress) -> None:
    async def run() -> None:
        async with serving(FakeNode(), address):
            pass

    asyncio.run(run())


def test_a_public_address_without_token_is_refused_before_anything_listens() -> None:
    with pytest.raises(ConfigError, match="needs --api-token-file"):
        start_and_stop(ApiAddress("0.0.0.0", 0))


def test_only_the_owner_may_open_the_socket_and_its_file_goes_with_the_daemon(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)):
            assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o600

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_the_socket_file_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "api.sock"))
    start_and_stop(unix(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_a_live_daemon_is_left_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)):
            with pytest.raises(DeviceError, match="another mycelium"):
                await ApiServer(FakeNode(), unix(tmp_path)).start()
            assert (tmp_path / "api.sock").is_socket()

    asyncio.run(run())


def test_a_file_that_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "api.sock").write_text("precious")
    with pytest.raises(DeviceError, match="no socket"):
        start_and_stop(unix(tmp_path))
    assert (tmp_path / "api.sock").read_text() == "precious"


def test_another_daemons_new_socket_file_is_not_removed(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)):
            (tmp_path / "api.sock").unlink()
            (tmp_path / "api.sock").write_text("another's")

    asyncio.run(run())
    assert (tmp_path / "api.sock").exists()


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="No such file or directory"):
        start_and_stop(unix(tmp_path / "none"))


def test_a_taken_port_is_told() -> None:
    async def run() -> None:
        async with serving(FakeNode(), LOOPBACK) as server:
            with pytest.raises(DeviceError, match=r"another mycelium\? \(--api-addr names another place\)"):
                await ApiServer(FakeNode(), server.address).start()

    asyncio.run(run())


def test_there_is_a_bound_on_open_connections(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server:
            streams = [await asyncio.open_unix_connection(server.address.path) for _ in range(API_CONNECTIONS + 1)]
            async with asyncio.timeout(5):
                assert await streams[-1][0].read() == b""
                reader, writer = streams[0]
                writer.write(b"GET /api/v1/admin HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            for _, writer in streams:
                writer.close()

    asyncio.run(run())


def test_stopping_what_never_started_is_harmless() -> None:
    asyncio.run(ApiServer(FakeNode(), LOOPBACK).stop())
