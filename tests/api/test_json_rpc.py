"""JSON-RPC 2.0 as its specification has it, with the methods, shapes and error codes of the Rust implementation."""

import asyncio
import http.client
import json
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.api.foreign_calls import MESSAGES, PROXIES
from mycelium.api.json_rpc import JsonRpc, JsonRpcServer
from tests.api.support import ADDRESS, KEY, LOOPBACK, FakeNode
from tests.api.test_rust_shapes import Info, PacketStatistics, Peer, Route, as_read_there
from tests.lab.waiting import PATIENCE_S


@pytest.fixture
def rpc() -> JsonRpc:
    return JsonRpc(FakeNode())


def call(rpc: JsonRpc, method: str, *params: object) -> Any:
    """Returns the result of a call, or its error."""
    asked = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    told = json.loads(rpc.answer(json.dumps(asked).encode()))
    assert (told["jsonrpc"], told["id"]) == ("2.0", 7)
    return told["result"] if "result" in told else (told["error"]["code"], told["error"]["message"])


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("getInfo", Info),
        ("getPeers", list[Peer]),
        ("getSelectedRoutes", list[Route]),
        ("getFallbackRoutes", list[Route]),
        ("getPacketStatistics", PacketStatistics),
    ],
)
def test_results_are_of_the_shapes_that_its_clients_decode(rpc: JsonRpc, method: str, shape: type) -> None:
    msgspec.convert(call(rpc, method), shape, dec_hook=as_read_there)


def test_what_is_not_here_is_an_empty_list_or_done(rpc: JsonRpc) -> None:
    assert [call(rpc, method) for method in ("getQueriedSubnets", "getProxies")] == [[], []]
    assert [call(rpc, method) for method in ("disconnectProxy", "stopProxyProbe")] == [True, True]


def test_keys_are_found_by_address(rpc: JsonRpc) -> None:
    assert call(rpc, "getPublicKeyFromIp", ADDRESS) == KEY
    assert call(rpc, "getPublicKeyFromIp", "500::1")[0] == -32_008
    assert call(rpc, "getPublicKeyFromIp", "nonsense")[0] == -32_007


def test_peers_come_and_go_with_its_codes(rpc: JsonRpc) -> None:
    new = "udp://[2001:db8::1]:7"
    assert call(rpc, "addPeer", new) is True
    assert call(rpc, "addPeer", new)[0] == -32_010
    assert call(rpc, "addPeer", "x y")[0] == -32_009
    assert len(call(rpc, "getPeers")) == 2
    assert call(rpc, "deletePeer", new) is True
    assert call(rpc, "deletePeer", new)[0] == -32_011
    assert call(rpc, "deletePeer", "x y")[0] == -32_012


def test_what_is_not_carried_here_is_refused_with_a_sentence(rpc: JsonRpc) -> None:
    assert call(rpc, "pushMessage", {}) == (-32_601, MESSAGES)
    assert call(rpc, "getTopics") == (-32_601, MESSAGES)
    assert call(rpc, "connectProxy") == (-32_601, PROXIES)
    assert call(rpc, "nonsense") == (-32_601, "there is no method nonsense")


def test_parameters_may_have_names_and_wrong_ones_are_told(rpc: JsonRpc) -> None:
    named = {"jsonrpc": "2.0", "id": "a", "method": "getPublicKeyFromIp", "params": {"ip": ADDRESS}}
    assert json.loads(rpc.answer(json.dumps(named).encode())) == {"jsonrpc": "2.0", "id": "a", "result": KEY}
    assert call(rpc, "getPublicKeyFromIp") == (-32_602, "getPublicKeyFromIp takes ip")
    assert call(rpc, "getPublicKeyFromIp", 3) == (-32_602, "getPublicKeyFromIp takes ip")
    assert call(rpc, "getPublicKeyFromIp", ADDRESS, "more") == (-32_602, "getPublicKeyFromIp takes ip")


def test_its_methods_are_discovered(rpc: JsonRpc) -> None:
    methods = {one["name"]: [each["name"] for each in one["params"]] for one in call(rpc, "rpc.discover")["methods"]}
    assert methods["addPeer"] == ["endpoint"]
    assert methods["getPeers"] == []


def test_a_list_of_calls_has_a_list_of_answers_without_notifications(rpc: JsonRpc) -> None:
    asked: list[object] = [
        {"jsonrpc": "2.0", "id": 1, "method": "getProxies"},
        {"jsonrpc": "2.0", "method": "addPeer", "params": ["udp://192.0.2.9:1"]},
        7,
        {"jsonrpc": "2.0", "id": None, "method": "getProxies"},
    ]
    told = json.loads(rpc.answer(json.dumps(asked).encode()))
    assert [one["id"] for one in told] == [1, None, None]
    assert told[1]["error"]["code"] == -32_600
    assert len(call(rpc, "getPeers")) == 2  # the notification was carried out
    assert rpc.answer(json.dumps(asked[1]).encode()) == b""
    assert json.loads(rpc.answer(b"[]"))["error"]["code"] == -32_600


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_else_is_an_error_and_no_fault(body: bytes) -> None:
    told = json.loads(JsonRpc(FakeNode()).answer(body) or b"{}")
    assert isinstance(told, list) or "result" not in told


def test_it_is_served_by_post_with_the_token_of_the_api_at_every_path() -> None:
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "getProxies"})

    def statuses(port: int) -> list[tuple[int, str | None]]:
        found = []
        for method, path, headers in (
            ("POST", "/", {}),
            ("POST", "/", {"Authorization": "Bearer right"}),
            ("POST", "/any", {"Authorization": "Bearer right"}),
            ("GET", "/", {"Authorization": "Bearer right"}),
        ):
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
                connection.request(method, path, asked, headers)
                answer = connection.getresponse()
                found.append((answer.status, answer.getheader("Allow")))
        return found

    async def run() -> list[tuple[int, str | None]]:
        server = JsonRpcServer(LOOPBACK, token="right")
        server.bind()
        await server.start(FakeNode())
        try:
            return await asyncio.to_thread(statuses, server.address.port)
        finally:
            await server.stop()

    assert asyncio.run(run()) == [(401, None), (200, None), (200, None), (405, "POST")]
