"""Starts and stops the HTTP API of one node on a TCP address or a unix socket."""

import asyncio
import os
import socket
import sys
from typing import Any, Final, cast

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import NodeControl
from mycelium.api.app import Application, MetricsApplication
from mycelium.api.connection import ApiConnection
from mycelium.api.connections import Connections
from mycelium.api.counters import ApiCounters
from mycelium.api.guard import Guard
from mycelium.api.listener import open_listener, remove_socket_file

# Turns of the event loop after which every accepted connection is handed over, and every connection that is to close is closed.
_TURNS: Final = 5
_TURN_S: Final = 0.005  # between looks at the calls under way
_LAST_WORDS_S: Final = 0.3  # how long calls under way may go on at the end

# The loop would look at the socket's file to remove it, in a folder that the daemon's user may not enter; `stop` removes it.
_NO_CLEANUP: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class ApiServer:
    """The API of one node. It listens from `bind` on, and answers between `start` and `stop`, in their event loop."""

    what = "API"
    flag = "--api-addr"
    _application_class: type[Application] = Application

    def __init__(self, address: ApiAddress, *, token: str | None = None) -> None:
        self._token = token
        self._inode = 0
        self._socket: socket.socket | None = None
        self._application: Application | None = None
        self.connections: Connections[ApiConnection] = Connections()
        self.counters = ApiCounters()
        self._listener: asyncio.Server | None = None
        self.address = address  # after `bind`, port 0 is replaced by the chosen port

    def bind(self) -> None:
        """Takes the address, where calls then wait; raises ConfigError or DeviceError, and then leaves nothing behind."""
        self._guard = self._make_guard()
        self._socket = open_listener(self.address, self.flag)
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
        self._application = self._application_class(control, self._guard, self.counters)
        loop = asyncio.get_running_loop()
        assert self._socket is not None
        if self.address.is_unix:
            self._listener = await loop.create_unix_server(self._protocol, sock=self._socket, **_NO_CLEANUP)
        else:
            self._listener = await loop.create_server(self._protocol, sock=self._socket)
        self._socket = None  # it belongs to the listener now

    async def stop(self) -> None:
        """Closes every connection and removes the socket file; does nothing before `bind`."""
        application, self._application = self._application, None
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
        if application is not None:
            application.stop_waiting()
            await self._close_all()
        if self._inode:
            remove_socket_file(self.address, self._inode)
            self._inode = 0

    def _make_guard(self) -> Guard:
        return Guard(self.address, self._token, flag=self.flag)

    async def _close_all(self) -> None:
        """Closes idle connections at once, the others when they have got their answer, or after _LAST_WORDS_S."""
        end = asyncio.get_running_loop().time() + _LAST_WORDS_S
        while self.connections:
            is_over = asyncio.get_running_loop().time() >= end
            for connection in self.connections:
                if is_over:
                    connection.abort()
                elif not connection.is_answering:
                    connection.close()
            await asyncio.sleep(_TURN_S)
        await _turns()

    def _protocol(self) -> asyncio.BaseProtocol:
        """Returns the protocol of a new connection."""
        if self._application is None:
            return _Refusing()
        return ApiConnection(self._application, self.connections)


class SocketServer(ApiServer):
    """The API at a unix socket besides, which needs no token: whoever may open it is let in."""

    flag = "--api-socket"


class MetricsServer(ApiServer):
    """The metrics of one node alone, to whoever reaches the address: that is what it is given for."""

    what = "metrics"
    flag = "--metrics-api-address"
    _application_class = MetricsApplication

    def _make_guard(self) -> Guard:
        return Guard(self.address, None, is_open=True)


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
