"""The API's listening socket: who may open it, and what it replaces."""

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from mycelium.api.server import ApiServer
from mycelium.errors import DeviceError
from tests.api.support import LOOPBACK, FakeNode, serving, start_and_stop, unix


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
            with pytest.raises(DeviceError, match="perhaps another daemon"):
                await ApiServer(FakeNode(), unix(tmp_path)).start()
            assert (tmp_path / "api.sock").is_socket()

    asyncio.run(run())


def test_a_file_that_is_no_socket_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "api.sock").write_text("precious")
    with pytest.raises(DeviceError, match="not a socket"):
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
            with pytest.raises(DeviceError, match=r"perhaps another daemon, is listening there .*--api-addr"):
                await ApiServer(FakeNode(), server.address).start()

    asyncio.run(run())
