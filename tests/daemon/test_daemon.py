"""A daemon's life on this host, without a TUN device: what it opens, what refuses to start, and that it ends when told."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from mycelium import __version__
from mycelium.admin import config, interpreter
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.config import Settings
from mycelium.admin.keyfile import epoch_path
from mycelium.api.client import ApiClient
from mycelium.daemon.daemon import Daemon
from mycelium.errors import ConfigError, DeviceError, IdentityError
from mycelium.identity import Identity
from mycelium.peer_url import PeerUrl
from tests.lab.waiting import PATIENCE_S, wait_until


def settings_in(folder: Path, *, port: int = 0) -> Settings:
    return Settings(
        key_file=folder / "key",
        api_addr=ApiAddress.parse(f"unix:{folder / 'api'}"),
        listen=(PeerUrl("udp", "127.0.0.1", port),),
        no_tun=True,
        disable_peer_discovery=True,
    )


async def live(settings: Settings, inquire: Callable[[], object]) -> object:
    """Runs a daemon, calls `inquire` in a thread once the API is there, and ends the daemon by a signal."""
    serving = asyncio.ensure_future(Daemon(settings).serve())
    socket_file = Path(settings.api_addr.path)
    async with asyncio.timeout(PATIENCE_S):
        while not os.path.exists(socket_file):  # noqa: ASYNC240 - nothing tells when a file appears
            assert not serving.done(), serving.exception()
            await asyncio.sleep(0.01)
        answer = await asyncio.to_thread(inquire)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == 0
    return answer


def test_a_daemon_tells_its_operator_who_it_is_and_ends_when_told(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    admin = asyncio.run(live(settings, lambda: ApiClient(settings.api_addr).admin()))
    assert getattr(admin, "node_ip", "")[0] in "45"
    assert not (tmp_path / "api").exists()


def test_sighup_keeps_what_was_added_by_hand_and_names_what_takes_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mycelium")
    file = tmp_path / "mycelium.toml"
    text = f"""key_file = "{tmp_path}/key"
api_addr = "unix:{tmp_path}/api"
listen = ["udp://127.0.0.1:0"]
no_tun = true
disable_peer_discovery = true
peers = ["udp://127.0.0.1:1"]
"""
    file.write_text(text)
    settings = config.load({"config_file": str(file)})

    def reload() -> list[str | None]:
        client = ApiClient(settings.api_addr)
        client.add_peer("udp://127.0.0.1:2")
        file.write_text(text.replace(':1"', ':3"') + 'tun_name = "other0"\n')
        os.kill(os.getpid(), signal.SIGHUP)
        told = "reloaded: 1 peer added; 1 peer removed; only a restart applies the new tun_name"
        wait_until(lambda: told in caplog.messages, PATIENCE_S, lambda: f"the log has {caplog.messages}")
        return [peer.url for peer in client.peers()]

    assert asyncio.run(live(settings, reload)) == ["udp://127.0.0.1:2", "udp://127.0.0.1:3"]


def test_a_second_daemon_with_the_same_key_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    def start_another() -> None:
        elsewhere = replace(settings, api_addr=ApiAddress.parse(f"unix:{tmp_path}/other"))
        with pytest.raises(IdentityError, match="another mycelium is running with the key"):
            asyncio.run(_serve_apart(elsewhere))

    asyncio.run(live(settings, start_another))


def test_an_old_key_of_ours_gets_its_first_line_and_is_held_all_the_same(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.key_file.write_bytes(bytes(range(32)))
    settings.key_file.chmod(0o600)
    epoch_path(settings.key_file).write_text("1700000000\n")

    def inquire() -> str:
        elsewhere = replace(settings, api_addr=ApiAddress.parse(f"unix:{tmp_path}/other"))
        with pytest.raises(IdentityError, match="another mycelium is running with the key"):
            asyncio.run(_serve_apart(elsewhere))
        return ApiClient(settings.api_addr).status().node_pubkey

    assert asyncio.run(live(settings, inquire)) == Identity(bytes(range(32))).exchange_public_key.hex()
    assert settings.key_file.read_bytes() == b"mycelium-ed25519-seed\n" + bytes(range(32))


def test_the_address_of_the_api_is_taken_before_anything_is_made_or_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(f"{tmp_path}/api")
        holder.listen()
        with pytest.raises(DeviceError, match="another program is listening there"):
            asyncio.run(_serve_apart(settings_in(tmp_path)))
    assert caplog.messages == []
    assert [path.name for path in tmp_path.iterdir()] == ["api"]


def test_an_api_for_other_hosts_without_a_token_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs --api-token-file"):
        asyncio.run(_serve_apart(replace(settings_in(tmp_path), api_addr=ApiAddress("0.0.0.0", 0))))
    assert list(tmp_path.iterdir()) == []


def test_the_first_lines_tell_version_address_interpreter_interface_api_listeners_and_peers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    peers = tuple(PeerUrl("udp", "192.0.2.1", port) for port in range(1, 12))
    asyncio.run(_serve_apart(replace(settings_in(tmp_path), peers=peers)))
    _, first, python, confined, second, policy, third = caplog.messages
    assert first.startswith(f"mycelium {__version__}: this node is ")
    assert python == f"running on {interpreter.description()}"
    assert confined == "running unconfined"
    assert re.fullmatch(rf"interface none, API at unix:{tmp_path}/api, listening at udp://127.0.0.1:\d+", second)
    assert policy.startswith("policy closed: only answers to what this host began")
    assert third == f"dialling {', '.join(map(str, peers[:8]))} and 3 more"


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        settings = settings_in(tmp_path, port=holder.getsockname()[1])
        with pytest.raises(DeviceError, match="is in use"):
            asyncio.run(_serve_apart(settings))


async def _serve_apart(settings: Settings) -> None:
    """Opens what a daemon needs, without the signals that only a main thread can take."""
    async with AsyncExitStack() as stack:
        Daemon(settings)._open(stack, asyncio.get_running_loop())
