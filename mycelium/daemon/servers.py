"""The servers that a daemon has for its operator: of the API, of the metrics alone, of JSON-RPC."""

import logging
from contextlib import AsyncExitStack
from typing import Final

from mycelium.admin.api_address import UNIX_PREFIX, ApiAddress
from mycelium.admin.config import Settings
from mycelium.admin.control import NodeControl
from mycelium.admin.private_file import read_api_token
from mycelium.api.server import ApiServer, MetricsServer, SocketServer
from mycelium.errors import DiskError

log: Final = logging.getLogger("mycelium")


class Servers:
    """Those that the settings name, at their addresses until `stack` is left."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        token = None if settings.api_token_file is None else read_api_token(settings.api_token_file)
        self._all = [ApiServer(settings.api_addr, token=token)]
        if settings.api_socket is not None:
            self._all.append(SocketServer(ApiAddress.parse(f"{UNIX_PREFIX}{settings.api_socket}")))
        if settings.metrics_api_address is not None:
            self._all.append(MetricsServer(settings.metrics_api_address))
        if settings.jsonrpc_addr is not None:
            from mycelium.api.json_rpc import JsonRpcServer  # here, because few want it

            self._all.append(JsonRpcServer(settings.jsonrpc_addr, token=token))
        self.counters = self._all[0].counters
        self._bind(stack)

    def _bind(self, stack: AsyncExitStack) -> None:
        """Takes the addresses; a disk that can't hold a socket keeps no node from its mesh."""
        for server in self._all:
            stack.push_async_callback(server.stop)
            try:
                server.bind()
            except DiskError as error:
                log.error("%s; this node runs without it", error)

    async def start(self, control: NodeControl, stack: AsyncExitStack) -> None:
        """Begins to answer; ends before anything that is answered from is given back."""
        for server in self._all:
            stack.push_async_callback(server.stop)
            if server.is_bound:
                await server.start(control)

    def __str__(self) -> str:
        """Tells what is where."""
        told = [f"{server.what} at {server.address}" for server in self._all if server.is_bound]
        return ", ".join(told) or "no API"
