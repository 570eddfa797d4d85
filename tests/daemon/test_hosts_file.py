"""Names in a hosts file: between two lines, in place, and gone again at the end."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from unittest.mock import Mock

import pytest

from mycelium.daemon import hosts_file
from mycelium.daemon.hosts_file import BEGIN, END, HostsFile, with_names
from mycelium.limits import HOSTS_NAMES
from tests.lab.waiting import PATIENCE_S

NODE = IPv6Address("4fc:47a4::1").packed
OWN = "127.0.0.1 localhost\n"


def run_once(hosts: HostsFile) -> None:
    """Runs a file's loop until it has tried to write a name, and its end."""
    zone = Mock(all=Mock(return_value={"a.myc": NODE}))

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await hosts.run(zone)

    asyncio.run(run())


def test_names_come_in_and_go_out_and_the_rest_stays() -> None:
    one = with_names(OWN, {"berlin.corp.myc": NODE})
    assert one == f"{OWN}{BEGIN}\n4fc:47a4::1 berlin.corp.myc\n{END}\n"
    assert with_names(f"{one}# mine\n", {"oslo.corp.myc": NODE}).startswith(f"{OWN}# mine\n{BEGIN}\n")
    assert with_names(one, {}) == OWN
    assert with_names("", {}) == ""


def test_a_last_line_without_an_end_stays_one() -> None:
    assert with_names("::1 me", {"a.myc": NODE}).startswith(f"::1 me\n{BEGIN}\n")


@pytest.mark.parametrize(
    "behind", ["", "# mine\n", "10.0.0.1 nas\n::1 me\n", "4fc::2 x also.x\n4fc::3 y\n", "\n4fc::2 x\n"]
)
def test_a_block_without_its_last_line_ends_where_other_lines_begin(behind: str) -> None:
    assert with_names(f"{OWN}{BEGIN}\n4fc::1 x\n4fc::2 y\n{behind}", {}) == OWN + behind


def test_no_more_names_are_written_than_may_be() -> None:
    names = {f"n{number}.myc": NODE for number in range(HOSTS_NAMES + 9)}
    assert len(with_names("", names).splitlines()) == HOSTS_NAMES + 2


def test_changes_are_written_into_the_same_file_and_taken_out_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts_file, "WRITE_EVERY_S", 0.01)
    path = tmp_path / "hosts"
    path.write_text(OWN)
    inode, zone = path.stat().st_ino, Mock()

    async def run() -> None:
        hosts = HostsFile(path)
        running = asyncio.ensure_future(hosts.run(zone))
        for name in ("berlin.myc", "oslo.myc"):
            zone.all.return_value = {name: NODE}
            async with asyncio.timeout(30):
                while name not in path.read_text():  # noqa: ASYNC110 - a file, not an event
                    await asyncio.sleep(0.01)
        assert "berlin" not in path.read_text()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        hosts.close()

    zone.all.return_value = {}
    asyncio.run(run())
    assert path.read_text() == OWN
    assert path.stat().st_ino == inode


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run_once(HostsFile(tmp_path / "none"))
    assert caplog.messages == [f"cannot write the names of nodes into {tmp_path / 'none'}: No such file or directory"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "zero"])
def test_what_is_no_file_is_neither_read_nor_written(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "hosts"
    make(path)
    hosts = HostsFile(path)
    run_once(hosts)
    hosts.close()
    assert caplog.messages == [f"cannot write the names of nodes into {path}: it is not a regular file"]


def test_names_that_could_not_be_written_are_written_once_they_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts_file, "WRITE_EVERY_S", 0.01)
    path = tmp_path / "hosts"
    zone = Mock(all=Mock(return_value={"berlin.myc": NODE}))

    async def run() -> None:
        hosts = HostsFile(path)
        running = asyncio.ensure_future(hosts.run(zone))
        async with asyncio.timeout(PATIENCE_S):
            while zone.all.call_count < 3:  # noqa: ASYNC110 - a count, not an event
                await asyncio.sleep(0.01)
            path.write_text(OWN)
            while "berlin" not in path.read_text():  # noqa: ASYNC110 - a file, not an event
                await asyncio.sleep(0.01)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        hosts.close()

    asyncio.run(run())
    assert caplog.messages == [f"cannot write the names of nodes into {path}: No such file or directory"]


def test_the_line_ends_of_others_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"127.0.0.1 localhost\r\n")
    hosts = HostsFile(path)
    hosts._write({"berlin.myc": NODE})
    assert path.read_bytes().startswith(b"127.0.0.1 localhost\r\n# mycelium: begin")
    hosts._write({})
    hosts.close()
    assert path.read_bytes() == b"127.0.0.1 localhost\r\n"


def test_a_file_that_was_opened_is_written_without_leave_and_one_in_its_place_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(OWN)
    hosts = HostsFile(path)
    held = hosts._file
    hosts._write({"berlin.myc": NODE})
    assert hosts._file is held  # no leave to open it is needed again
    assert "berlin" in path.read_text()
    (tmp_path / "new").write_text(OWN)
    (tmp_path / "new").rename(path)
    hosts._write({"oslo.myc": NODE})
    assert "oslo" in path.read_text()
    hosts.close()
