"""What is opened before the daemon gives up being root: all of it once, and closed again at the end."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from mycelium.daemon.privileged import Privileged
from mycelium.errors import ConfigError


def settings_in(folder: Path) -> Settings:
    return Settings(key_file=folder / "key", api_addr=ApiAddress.parse(f"unix:{folder / 'api'}"))


def test_what_is_opened_is_closed_with_the_stack(tmp_path: Path) -> None:
    async def open_and_close() -> Privileged:
        async with AsyncExitStack() as stack:
            opened = Privileged(settings_in(tmp_path), stack)
            assert (tmp_path / "api").exists()
            assert all(icmp.fileno() >= 0 for icmp in opened.icmp)
        return opened

    opened = asyncio.run(open_and_close())
    assert not (tmp_path / "api").exists()
    assert [icmp.fileno() for icmp in opened.icmp] == [-1] * len(opened.icmp)
    assert opened.hosts_file is None


def test_a_file_that_root_cannot_use_either_is_refused(tmp_path: Path) -> None:
    lost = replace(settings_in(tmp_path), network_key_file=tmp_path / "none")

    async def open_it() -> None:
        async with AsyncExitStack() as stack:
            Privileged(lost, stack)

    with pytest.raises(ConfigError, match="none"):
        asyncio.run(open_it())
