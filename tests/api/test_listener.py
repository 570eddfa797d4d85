"""The API's listening socket: who may open it, and what it replaces."""

import asyncio
import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.api.listener import open_listener
from mycelium.api.server import ApiServer
from mycelium.errors import DeviceError, DiskError
from tests.api.support import LOOPBACK, FakeNode, serving, start_and_stop, unix
from tests.cli.support import served
from tests.lab.waiting import PATIENCE_S


def test_only_the_owner_may_open_the_socket_and_its_file_goes_with_the_daemon(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(FakeNode(), unix(tmp_path)):
            assert stat.S_IMODE((tmp_path / "api.sock").stat().st_mode) == 0o600

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_parts_of_an_answer_do_not_wait_for_each_other() -> None:
    with (
        open_listener(LOOPBACK, "--api-addr") as listener,
        socket.create_connection(listener.getsockname()),
    ):
        listener.settimeout(PATIENCE_S)
        with listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_socket_file_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "api.sock"))
    start_and_stop(unix(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_a_live_daemon_is_left_alone(tmp_path: Path) -> None:
    with served(FakeNode(), unix(tmp_path)) as address:
        with pytest.raises(DeviceError, match=r"another mycelium is listening there .*--api-addr"):
            ApiServer(address).bind()
        assert (tmp_path / "api.sock").is_socket()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_socket_file_is_told_apart_from_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def bind(opened: socket.socket, address: str) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(DiskError, match=os.strerror(code)):
        ApiServer(unix(tmp_path)).bind()


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


@pytest.mark.parametrize("token", [None, "a-token-that-nobody-knows"])
def test_a_port_that_a_daemon_has_is_told(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.api.listener._ASK_S", PATIENCE_S)
    with (
        served(FakeNode(), LOOPBACK, token=token) as address,
        pytest.raises(DeviceError, match=r"another mycelium is listening there .*--api-addr"),
    ):
        ApiServer(address).bind()


def test_a_port_that_another_program_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.api.listener._ASK_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = ApiAddress("127.0.0.1", silent.getsockname()[1])
        with pytest.raises(DeviceError, match=r"another program is listening there .*--api-addr"):
            ApiServer(address).bind()


def test_an_address_of_another_host_is_told() -> None:
    with pytest.raises(DeviceError, match="this host does not have that address"):
        ApiServer(ApiAddress("192.0.2.1", 8989), token="a-token-long-enough").bind()


def test_a_folder_that_the_user_may_not_write_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mycelium.api.listener._remove_stale", refuse)
    with pytest.raises(DeviceError, match=r"cannot serve the API at unix:.*: Permission denied \(choose another"):
        ApiServer(unix(tmp_path)).bind()
