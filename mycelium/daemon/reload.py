"""What has changed in the configuration is applied as far as that can be while the daemon runs: upon SIGHUP, or by the API."""

import asyncio
import logging
from typing import Final

from msgspec import structs

from mycelium.admin import config, logs
from mycelium.admin.config import Settings
from mycelium.admin.control import ReloadInfo
from mycelium.daemon.known_peers import KnownPeersFile
from mycelium.daemon.members import Members
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.policing import Policing
from mycelium.daemon.service_manager import ServiceManager
from mycelium.daemon.threads import in_thread
from mycelium.errors import ConfigError, LocalError

log = logging.getLogger("mycelium")

_LOG_SETTINGS: Final = ("debug", "silent", "log_format")
_APPLIED: Final = ("peers", "auto_peers", "policy", *_LOG_SETTINGS)


class Configuration:
    """The settings by which a daemon runs now."""

    def __init__(
        self, settings: Settings, peers: PeerLists, known: KnownPeersFile, policing: Policing, members: Members
    ) -> None:
        self.settings = settings
        self._peers = peers
        self._known = known
        self._policing = policing
        self._members = members
        self._reading = asyncio.Lock()
        self._is_asked = False  # by a signal, since the file was read last
        self._following: asyncio.Task[None] | None = None

    async def follow(self) -> ReloadInfo:
        """Loads the settings again and applies what can be; the log says it too.

        Raises LocalError for a mistake in the configuration, which changes nothing.
        """
        async with self._reading:
            wanted = await self._wanted()
            changed = [one for one in wanted.__struct_fields__ if getattr(self.settings, one) != getattr(wanted, one)]
            news = self._apply(wanted, changed) + await self._members.reload(self.settings)
            done = ReloadInfo(news, [name for name in changed if name not in _APPLIED])
            self.settings = structs.replace(self.settings, **{name: getattr(wanted, name) for name in _APPLIED})
        if done.takes_restart:
            log.warning("reloaded: %s", done)
        else:
            log.info("reloaded: %s", done)
        return done

    def ask(self, tasks: asyncio.TaskGroup, manager: ServiceManager) -> None:
        """Has the settings loaded again by a task, once more if that is under way: it may have read what was there before."""
        self._is_asked = True
        if self._following is None or self._following.done():
            self._following = tasks.create_task(self._follow_signals(manager))

    async def _follow_signals(self, manager: ServiceManager) -> None:
        while self._is_asked:
            self._is_asked = False
            with manager.reloading():
                await self.follow_signal()

    async def follow_signal(self) -> None:
        """Does the same for whoever hears nothing but the log."""
        try:
            await self.follow()
        except LocalError as error:
            log.error("%s", error)

    async def _wanted(self) -> Settings:
        try:
            return await in_thread(
                lambda: config.load(self.settings.given)
            )  # the file may be a pipe, or on a dead network
        except LocalError as error:
            kind = ConfigError if isinstance(error, ConfigError) else LocalError
            raise kind(f"not reloaded, all stays as it was: {error}") from error
        except OSError as error:
            raise LocalError(f"not reloaded, all stays as it was: {error.strerror}") from error

    def _apply(self, wanted: Settings, changed: list[str]) -> list[str]:
        """Applies what can be; returns what that is, for the operator."""
        if any(name in _LOG_SETTINGS for name in changed):
            logs.configure(wanted.debug, wanted.log_format, silent=wanted.silent)
        news = self._peers.follow(wanted.peers)
        if "auto_peers" in changed:
            self._known.keep(wanted.auto_peers)
        if "policy" in changed:
            news.append(self._policing.follow(wanted.policy))
        told = ("auto_peers", *_LOG_SETTINGS)
        return news + [f"{name} is {_value(getattr(wanted, name))}" for name in told if name in changed]


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
