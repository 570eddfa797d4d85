"""Hears when the router that maps a port announces that it has lost its mappings, or has another outside address."""

import asyncio
import contextlib
import logging
import socket
from time import monotonic
from typing import Final

from mycelium.errors import DecodeError
from mycelium.limits import ROUTER_ANSWER_BYTES
from mycelium.packet.port_mapping import PORT_CONTROL_PORT
from mycelium.packet.router_epoch import ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT, RouterEpoch, announced_epoch

log = logging.getLogger("mycelium")

PACE_S: Final = 0.1  # between one announcement and the next that is looked at, whatever is sent in the router's name


async def restarted(router: str, epoch: RouterEpoch, *, router_port: int = PORT_CONTROL_PORT) -> None:
    """Returns once the router announces another epoch; waits for ever where announcements can't be heard."""
    loop = asyncio.get_running_loop()
    try:
        news = _listening(router, router_port)
    except OSError as error:
        log.debug("announcements of the router %s can't be heard: %s", router, error)
        await asyncio.Event().wait()
        return
    with news:
        while True:
            data = await loop.sock_recv(news, ROUTER_ANSWER_BYTES)
            with contextlib.suppress(DecodeError):
                if epoch.has_restarted(announced_epoch(data), now=monotonic()):
                    return
            await asyncio.sleep(PACE_S)


def _listening(router: str, port: int) -> socket.socket:
    """Returns a socket that hears the router alone, beside other programs of this host that hear it."""
    news = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        news.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        news.bind((ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT))
        news.connect((router, port))
    except OSError:
        news.close()
        raise
    return news
