"""SIGHUP: what has changed in the configuration is applied, as far as that is possible while the daemon runs."""

import logging
from typing import Final

from msgspec import structs

from mycelium.admin import config, logs
from mycelium.admin.config import Settings
from mycelium.daemon.known_peers import KnownPeersFile
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.threads import in_thread
from mycelium.errors import LocalError

log = logging.getLogger("mycelium")

_LOG_SETTINGS: Final = ("debug", "silent", "log_format")
_APPLIED: Final = ("peers", "auto_peers", *_LOG_SETTINGS)


async def reload(running: Settings, peers: PeerLists, known: KnownPeersFile) -> Settings:
    """Loads the settings again and applies what can be; returns those by which the daemon runs now.

    The log says what was applied and which settings take a restart. A mistake in the configuration changes nothing.
    """
    try:
        wanted = await in_thread(lambda: config.load(running.given))  # the file may be a pipe, or on a dead network
    except LocalError as error:
        log.error("not reloaded, all stays as it was: %s", error)
        return running
    except OSError as error:
        log.error("not reloaded, all stays as it was: %s", error.strerror)
        return running
    changed = [name for name in running.__struct_fields__ if getattr(running, name) != getattr(wanted, name)]
    if any(name in _LOG_SETTINGS for name in changed):
        logs.configure(wanted.debug, wanted.log_format, silent=wanted.silent)
    news = peers.follow(wanted.peers)
    if "auto_peers" in changed:
        known.keep(wanted.auto_peers)
    told = ("auto_peers", *_LOG_SETTINGS)
    news += [f"{name} is {_value(getattr(wanted, name))}" for name in told if name in changed]
    waiting = [name for name in changed if name not in _APPLIED]
    if waiting:
        log.warning("reloaded: %s", "; ".join([*news, f"only a restart applies the new {', '.join(waiting)}"]))
    else:
        log.info("reloaded: %s", "; ".join(news) or "nothing has changed")
    return structs.replace(running, **{name: getattr(wanted, name) for name in _APPLIED})


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
