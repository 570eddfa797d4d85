"""The API's methods: their paths, status codes and JSON, and long polls for events."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import EventInfo
from mycelium.api import connection
from mycelium.limits import API_BODY_BYTES
from tests.api.fake_diagnosis import FAR
from tests.api.support import ADDRESS, FIRST_PEER, KEY, LOOPBACK, Call, FakeNode, calling, serving, unix
from tests.lab.waiting import PATIENCE_S

LONG_S = PATIENCE_S


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
        assert peer["url"] == FIRST_PEER
        status, routes = await call("GET", "/admin/routes/selected")
        assert (status, [route["cost"] for route in routes]) == (200, [674, None])
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
        assert (await call("DELETE", "/admin/peers/non%20sense"))[0] == 400

    calling(address, talk)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"endpoint":1}', b"{}", b"\xff", b'{"x":' + b"[" * 10_000, b'{"endpoint":"x y"}'],
)
def test_a_bad_body_is_a_400_that_says_why(tmp_path: Path, body: bytes) -> None:
    async def talk(call: Call) -> None:
        status, answer = await call("POST", "/admin/peers", data=body)
        assert status == 400
        assert answer["error"]

    calling(unix(tmp_path), talk)


def test_a_body_that_does_not_arrive_is_waited_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.01)

    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server, asyncio.timeout(LONG_S):
            reader, writer = await asyncio.open_unix_connection(server.address.path)
            writer.write(b"POST /api/v1/admin/peers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
            writer.close()

    asyncio.run(run())


def test_whatever_else_is_asked_is_answered_by_json_too(tmp_path: Path) -> None:
    async def talk(call: Call) -> None:
        assert await call("GET", "/nothing") == (404, {"error": "Not Found"})
        assert (await call("POST", "/admin/peers", data=b" " * (API_BODY_BYTES + 1)))[0] == 413

    calling(unix(tmp_path), talk)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/admin", "GET, HEAD"),
        ("PUT", "/api/v1/admin/peers", "GET, HEAD, POST"),
        ("GET", "/api/v1/admin/peers/udp%3A%2F%2Fa%3A1", "DELETE"),
        ("POST", f"/api/v1/admin/routes/explain/{FAR}", "GET, HEAD"),
        ("HEAD", "/api/v1/admin/reload", "POST"),
        ("PUT", "/api/v1/admin/proxy", "DELETE, GET, HEAD"),
        ("PUT", "/api/v1/admin/proxy/probe", "DELETE"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has(
    tmp_path: Path, method: str, path: str, allowed: str
) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)) as server:
            connector = aiohttp.UnixConnector(server.address.path)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.request(method, f"http://localhost{path}") as answer,
            ):
                assert (answer.status, answer.headers["Allow"]) == (405, allowed)

    asyncio.run(run())


def test_a_key_is_found_by_any_spelling_of_its_address(tmp_path: Path) -> None:
    async def talk(call: Call) -> None:
        assert await call("GET", f"/pubkey/{ADDRESS}") == (200, {"publicKey": KEY})
        assert await call("GET", f"/pubkey/{ADDRESS.upper().replace(':113', ':0113')}") == (200, {"publicKey": KEY})
        assert (await call("GET", "/pubkey/400::1"))[0] == 404
        assert (await call("GET", "/pubkey/127.0.0.1"))[0] == 400
        assert (await call("GET", "/pubkey/%00"))[0] == 400

    calling(unix(tmp_path), talk)


def test_a_route_is_explained_by_any_text_that_names_its_node(address: ApiAddress) -> None:
    async def talk(call: Call) -> None:
        status, found = await call("GET", f"/admin/routes/explain/{FAR.replace(':', '%3A')}")
        assert (status, found["node"], found["candidates"][0]["verdict"]) == (200, FAR, "chosen")
        assert await call("GET", "/admin/routes/explain/berlin%2F") == (
            404,
            {"error": "'berlin/' is no node that this one knows"},
        )
        assert (await call("POST", f"/admin/routes/explain/{FAR}"))[0] == 405
        assert (await call("GET", "/admin/routes/explain/"))[0] == 404

    calling(address, talk)


def test_nodes_are_pinged_and_traced_and_links_and_sessions_listed(address: ApiAddress) -> None:
    async def talk(call: Call) -> None:
        status, found = await call("GET", f"/admin/ping/{FAR}?wait=0.5")
        assert (status, found["rttMs"], found["error"]) == (200, 12.5, None)
        assert (await call("GET", f"/admin/ping/{FAR}"))[0] == 200
        for wait in ("soon", "0", "-1", "nan", "inf", "1e9"):
            assert (await call("GET", f"/admin/ping/{FAR}?wait={wait}"))[0] == 400, wait
        status, found = await call("GET", f"/admin/trace/{FAR}")
        assert (status, [hop["hop"] for hop in found["hops"]]) == (200, [1, 2, 3])
        for question in ("ping", "trace"):
            assert (await call("GET", f"/admin/{question}/berlin"))[0] == 404
            assert (await call("POST", f"/admin/{question}/{FAR}"))[0] == 405
        status, (link,) = await call("GET", "/admin/links")
        assert (status, link["paths"][0]["mtu"]) == (200, 1_452)
        status, (session,) = await call("GET", "/admin/sessions")
        assert (status, session["node"]) == (200, FAR)

    calling(address, talk)


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
    monkeypatch.setattr("mycelium.api.operations.API_WAIT_S", 0.1)

    async def talk(api: Api) -> None:
        for wait in ("0.05", "1e9", "-0"):
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
        assert monotonic() - begin < LONG_S / 2
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
        writer.close()
        await writer.wait_closed()

    asyncio.run(run())


@pytest.mark.parametrize(
    "query",
    [
        *("?after=x", "?after=1.5", "?after=", "?after=-1"),
        *("?wait=soon", "?wait=", "?wait=nan", "?wait=inf", "?wait=-inf", "?wait=1e999", "?wait=-3"),
    ],
)
def test_what_is_no_number_is_refused(tmp_path: Path, query: str) -> None:
    async def talk(api: Api) -> None:
        status, answer = await api.get(query)
        assert (status, " must be a " in answer["error"]) == (400, True)

    asyncio.run(with_api(tmp_path, talk))
