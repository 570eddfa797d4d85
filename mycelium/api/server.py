"""Starts and stops the HTTP API of one node on a TCP address or a unix socket."""

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Final, cast

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import NodeControl
from mycelium.api.guard import Guard
from mycelium.api.listener import open_listener, remove_socket_file
from mycelium.limits import API_CONNECTIONS

if TYPE_CHECKING:
    from aiohttp import web


_IDLE_SECONDS: Final = 15  # how long a connection may stay without a request


class ApiServer:
    """The API of one node. It answers between `start` and `stop`, in the loop that called them."""

    def __init__(self, control: NodeControl, address: ApiAddress, *, token: str | None = None) -> None:
        self._control = control
        self._token = token
        self._inode = 0
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.address = address  # after `start` with the port that the kernel chose, where 0 was asked

    async def start(self) -> None:
        """Begins to listen; raises ConfigError or DeviceError, and leaves nothing behind, where it can't."""
        from aiohttp import web  # 0.2 s

        from mycelium.api.app import application

        guard = Guard(self.address, self._token)
        listener = open_listener(self.address)
        if self.address.is_unix:
            self._inode = os.lstat(self.address.path).st_ino
        else:
            self.address = ApiAddress(self.address.host, listener.getsockname()[1])
        app = application(self._control, guard)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, keepalive_timeout=15, shutdown_timeout=1
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        serve = loop.create_unix_server if self.address.is_unix else loop.create_server
        self._listener = await serve(self._protocol, sock=listener)

    async def stop(self) -> None:
        """Closes every connection and removes the socket's file; harmless when nothing was started."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._inode:
            remove_socket_file(self.address, self._inode)
            self._inode = 0

    def _protocol(self) -> asyncio.BaseProtocol:
        """Called for each new connection."""
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= API_CONNECTIONS:
            return _Refusing()
        return server()


def _silence() -> logging.Logger:
    """Returns a log that goes nowhere: aiohttp would write a traceback for each caller that speaks no HTTP."""
    logger = logging.Logger("aiohttp")
    logger.addHandler(logging.NullHandler())
    return logger


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
