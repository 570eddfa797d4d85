"""Starts and stops the HTTP API of one node on a TCP address or a unix socket."""

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, Final, cast

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import NodeControl
from mycelium.api.guard import Guard
from mycelium.api.listener import open_listener, remove_socket_file
from mycelium.limits import API_CONNECTIONS

if TYPE_CHECKING:
    from aiohttp import web


# Turns of the event loop after which every accepted connection is handed over, and every connection that is to close is closed.
_TURNS: Final = 5
_SILENT: Final = logging.CRITICAL + 1  # a bad request is answered, not logged; the application logs its own failures
# how long calls under way may go on at the end; aiohttp waits as long again once it has cancelled them
_LAST_WORDS_S: Final = 0.3
_IDLE_SECONDS: Final = 15  # how long a connection may stay open without a request


class ApiServer:
    """The API of one node. It listens from `bind` on, and answers between `start` and `stop`, in their event loop."""

    def __init__(self, address: ApiAddress, *, token: str | None = None) -> None:
        self._token = token
        self._inode = 0
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None
        self.address = address  # after `bind`, port 0 is replaced by the chosen port

    def bind(self) -> None:
        """Takes the address, where calls then wait; raises ConfigError or DeviceError, and then leaves nothing behind."""
        self._guard = Guard(self.address, self._token)
        self._socket = open_listener(self.address)
        if self.address.is_unix:
            self._inode = os.lstat(self.address.path).st_ino
        else:
            self.address = ApiAddress(self.address.host, self._socket.getsockname()[1])

    @property
    def is_bound(self) -> bool:
        """Tells whether the address is taken and nobody answers yet."""
        return self._socket is not None

    async def start(self, control: NodeControl) -> None:
        """Starts to answer; only after `bind`."""
        from aiohttp import web  # here, because it takes 0.2 s

        from mycelium.api.app import application

        app = application(control, self._guard)
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            logger=logging.Logger(__name__, _SILENT),
            keepalive_timeout=_IDLE_SECONDS,
            shutdown_timeout=_LAST_WORDS_S,
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        serve = loop.create_unix_server if self.address.is_unix else loop.create_server
        assert self._socket is not None
        self._listener = await serve(self._protocol, sock=self._socket)
        self._socket = None  # it belongs to the listener now

    async def stop(self) -> None:
        """Closes every connection and removes the socket file; does nothing before `bind`."""
        runner, self._runner = self._runner, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._listener is not None:
            # A connection that asyncio hands over after close() fails in its constructor, and its socket stays open.
            for listening in self._listener.sockets:
                asyncio.get_running_loop().remove_reader(listening)
            await _turns()
            self._listener.close()
            self._listener = None
        if runner is not None:
            await runner.cleanup()
            await _turns()
        if self._inode:
            remove_socket_file(self.address, self._inode)
            self._inode = 0

    def _protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol of a new connection."""
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= API_CONNECTIONS:
            return _Refusing()
        return server()


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
