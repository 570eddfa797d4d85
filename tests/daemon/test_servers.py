"""The operator's servers: those that are set, each at its address, none left behind."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from mycelium.api.client import ApiClient
from mycelium.daemon.servers import Servers
from mycelium.errors import ApiError, ConfigError, DeviceError
from tests.api.support import FakeNode

KEY = Path("key")


def unix(folder: Path, name: str) -> ApiAddress:
    return ApiAddress.parse(f"unix:{folder}/{name}")


def test_those_that_are_set_answer_and_leave_nothing_behind(tmp_path: Path) -> None:
    api, metrics, rpc = (unix(tmp_path, name) for name in ("api", "metrics", "rpc"))

    async def run() -> None:
        async with AsyncExitStack() as stack:
            settings = Settings(key_file=KEY, api_addr=api, metrics_api_address=metrics, jsonrpc_addr=rpc)
            servers = Servers(settings, stack)
            assert str(servers) == f"API at {api}, metrics at {metrics}, JSON-RPC at {rpc}"
            await servers.start(FakeNode(), stack)
            for address in (api, metrics, rpc):
                _, writer = await asyncio.open_unix_connection(address.path)
                writer.close()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_taken_leaves_none_of_the_others_taken(tmp_path: Path) -> None:
    (tmp_path / "rpc").write_text("no socket")

    async def run() -> None:
        async with AsyncExitStack() as stack:
            api, rpc = unix(tmp_path, "api"), unix(tmp_path, "rpc")
            Servers(Settings(key_file=KEY, api_addr=api, jsonrpc_addr=rpc), stack)

    with pytest.raises(DeviceError, match="choose another address with --jsonrpc-addr"):
        asyncio.run(run())
    assert [path.name for path in tmp_path.iterdir()] == ["rpc"]


def test_json_rpc_that_others_reach_needs_the_token_as_the_api_does() -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            everywhere = ApiAddress("0.0.0.0", 0)
            Servers(Settings(key_file=KEY, api_addr=ApiAddress(port=0), jsonrpc_addr=everywhere), stack)

    with pytest.raises(ConfigError, match=r"--jsonrpc-addr 0\.0\.0\.0:0: other hosts can reach this address"):
        asyncio.run(run())


def test_the_api_is_at_an_address_of_tcp_and_at_a_socket_at_once_where_it_needs_no_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sixteen characters or more\n")
    token.chmod(0o600)
    settings = Settings(key_file=KEY, api_addr=ApiAddress(port=0), api_socket=tmp_path / "socket", api_token_file=token)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            servers = Servers(settings, stack)
            await servers.start(FakeNode(), stack)
            by_tcp, by_socket = (ApiClient(server.address) for server in servers._all)
            assert (await asyncio.to_thread(by_socket.admin)).node_ip
            with pytest.raises(ApiError, match="token"):
                await asyncio.to_thread(by_tcp.admin)

    asyncio.run(run())
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
