"""SIGHUP: what of a changed configuration is applied, and what is said of the rest."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from mycelium.admin import config
from mycelium.admin.config import Settings
from mycelium.admin.control import ReloadInfo
from mycelium.daemon.known_peers import KnownPeersFile
from mycelium.daemon.members import Members
from mycelium.daemon.node_settings import OPEN_NETWORK
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.peers import Peers
from mycelium.daemon.policing import Policing
from mycelium.daemon.reload import Configuration
from mycelium.daemon.service_manager import ServiceManager
from mycelium.errors import ConfigError
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.peer_url import PeerUrl
from mycelium.policy.node_policy import NodePolicy
from sim.net.node_net import NodeNet
from tests.lab.waiting import PATIENCE_S

BEFORE = """
key_file = "key"
peers = ["udp://one:9651"]
tun_name = "mesh0"
"""


class Running:
    """A daemon's settings and peers, of a file that may be written again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._file.write_text(BEFORE)
        settings = config.load({"config_file": str(file)})
        self.node: Node = NodeNet().add("a").node
        self.peers = Peers(self.node, lambda action: action(1000.0), lambda endpoint: None)
        self.lists = PeerLists(self.peers, Mock())
        self.lists.follow(settings.peers)
        self.known = KnownPeersFile(self.node, lambda action: action(1000.0), settings.key_file)
        self.policy = NodePolicy(settings.policy, is_private=False)
        names = Names(self.node.routing, is_private=False)
        policing = Policing(self.node, self.policy, names, lambda action: action(1000.0))
        members = Members(self.node, self.policy, OPEN_NETWORK, settings.key_file, lambda action: action(1000.0))
        self.configuration = Configuration(settings, self.lists, self.known, policing, members)

    def reload(self, text: str) -> None:
        self._file.write_text(text)
        asyncio.run(self.configuration.follow_signal())

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @property
    def urls(self) -> list[str]:
        return list(self.node.peers.by_url)


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path / "mycelium.toml")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("mycelium")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    caplog.set_level(logging.INFO, "mycelium")
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_an_unchanged_file_changes_nothing_and_says_so(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload(BEFORE)
    assert caplog.messages == ["reloaded: nothing has changed"]


def test_automatic_peers_are_wanted_at_once(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload(BEFORE + "auto_peers = 3\n")
    assert caplog.messages == ["reloaded: auto_peers is 3"]
    assert running.node.exchange.auto.wanted == 3


def test_peers_come_and_go(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    running.reload(BEFORE.replace("one", "other"))
    assert caplog.messages == ["reloaded: 1 peer added; 1 peer removed"]
    assert running.urls == ["udp://other:9651"]


def test_what_takes_a_restart_is_named_again_until_it_is_taken_back(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    changed = BEFORE.replace("mesh0", "mesh1") + 'listen = ["udp://[::]:1"]\n'
    running.reload(changed.replace("one", "other"))
    running.reload(changed)
    running.reload(BEFORE)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "reloaded: 1 peer added; 1 peer removed; only a restart applies the new listen, tun_name"),
        ("WARNING", "reloaded: 1 peer added; 1 peer removed; only a restart applies the new listen, tun_name"),
        ("INFO", "reloaded: nothing has changed"),
    ]


def test_the_log_s_level_and_format_change_at_once(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    running.reload(BEFORE + 'debug = true\nlog_format = "logfmt"\n')
    assert logging.getLogger("mycelium").level == logging.DEBUG
    assert 'message="reloaded: debug is true; log_format is logfmt"' in capfd.readouterr().err
    running.reload(BEFORE + "silent = true\n")
    assert logging.getLogger("mycelium").level == logging.ERROR
    running.reload(BEFORE)
    assert logging.getLogger("mycelium").level == logging.INFO


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("peers = [", "not valid TOML"),
        (BEFORE + "tun_nam = 1\n", "did you mean"),
        (BEFORE.replace("udp://one", "what://one"), "not one of the schemes"),
    ],
    ids=["TOML", "key", "value"],
)
def test_a_broken_file_changes_nothing_and_says_so(
    running: Running, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    before = running.settings
    running.reload(text)
    assert running.settings is before
    assert running.urls == ["udp://one:9651"]
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.message.startswith("not reloaded, all stays as it was: ")
    assert reason in record.message


def test_without_a_thread_to_read_the_file_nothing_changes(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = running.settings
    monkeypatch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
    running.reload("peers = []")
    assert running.settings is before
    assert caplog.messages == ["not reloaded, all stays as it was: this host has no thread left for it"]


def test_whoever_asks_is_told_what_has_changed_and_what_takes_a_restart(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "mycelium.toml"
    file.write_text(BEFORE.replace("one", "other").replace("mesh0", "mesh1"))
    done = asyncio.run(running.configuration.follow())
    assert done == ReloadInfo(["1 peer added", "1 peer removed"], ["tun_name"])
    file.write_text("peers = [")
    with pytest.raises(ConfigError, match=r"not reloaded, all stays as it was: .*not valid TOML"):
        asyncio.run(running.configuration.follow())


def test_a_new_policy_is_followed_and_told(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    assert running.policy.admits is not None
    running.reload(BEFORE + 'policy = "open"\n')
    assert running.policy.admits is None
    assert "policy open: ANYBODY in the open network reaches every port of this host; 0 links" in caplog.text
    running.reload(BEFORE + '[policy]\npackets = ["alow"]\n')
    assert "policy: packets: 'alow': must begin with allow or deny (at line 6)" in caplog.text
    assert running.policy.admits is None


def test_a_signal_while_the_file_is_read_has_it_read_once_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads may have opened the file as it was before; any number of signals meanwhile is one."""
    caplog.set_level(logging.INFO)
    running = Running(tmp_path / "a.toml")
    load, has_read, may_return = config.load, threading.Event(), threading.Event()

    def load_slowly(given: object) -> Settings:
        settings = load(running.settings.given)
        has_read.set()
        may_return.wait(PATIENCE_S)
        return settings

    async def run() -> None:
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            running.configuration.ask(tasks, ServiceManager({}))
            await asyncio.to_thread(has_read.wait, PATIENCE_S)
            (tmp_path / "a.toml").write_text(BEFORE.replace("one", "two"))
            for _ in range(3):
                running.configuration.ask(tasks, ServiceManager({}))
            may_return.set()

    monkeypatch.setattr(config, "load", load_slowly)
    asyncio.run(run())
    assert [url.host for url in running.settings.peers if isinstance(url, PeerUrl)] == ["two"]
    assert [text.startswith("reloaded") for text in caplog.messages].count(True) == 2
