"""The methods of the API: paths, status codes and JSON as in `/api/v1` of the Rust implementation.

Imported late, because aiohttp is large.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from mycelium import __version__
from mycelium.admin.api_address import SERVER
from mycelium.admin.control import NodeControl, TrafficInfo
from mycelium.api.guard import Guard
from mycelium.errors import ConfigError, LocalError
from mycelium.limits import API_BODY_BYTES, API_WAIT_S

PREFIX: Final = "/api/v1"

_BODY_SECONDS: Final = 10
_log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PeerRequest(msgspec.Struct, frozen=True):
    """The body of POST /admin/peers."""

    endpoint: str


def application(control: NodeControl, guard: Guard) -> web.Application:
    """Returns the aiohttp application for one node."""
    app = web.Application(middlewares=[_answer_errors_as_json, _guarded(guard)], client_max_size=API_BODY_BYTES)
    methods = _Methods(control)
    app.on_shutdown.append(methods.stop_waiting)
    app.on_response_prepare.append(_name_server)
    app.add_routes(
        [
            web.get(f"{PREFIX}/admin", _snapshot(control.admin)),
            web.get(f"{PREFIX}/admin/peers", _snapshot(control.peers)),
            web.post(f"{PREFIX}/admin/peers", methods.add_peer),
            web.delete(f"{PREFIX}/admin/peers/{{endpoint:.+}}", methods.remove_peer),
            web.get(f"{PREFIX}/admin/routes/selected", _snapshot(control.routes_selected)),
            web.get(f"{PREFIX}/admin/routes/fallback", _snapshot(control.routes_fallback)),
            web.get(f"{PREFIX}/admin/routes/queried", _snapshot(tuple)),  # no route is asked for: all are known
            web.get(f"{PREFIX}/admin/stats/packets", _snapshot(TrafficInfo)),
            web.get(f"{PREFIX}/admin/proxy", _snapshot(tuple)),  # this node has none
            web.get(f"{PREFIX}/admin/status", _snapshot(control.status)),
            web.get(f"{PREFIX}/admin/metrics", _snapshot(control.metrics)),
            web.get(f"{PREFIX}/admin/events", methods.events),
            web.get(f"{PREFIX}/pubkey/{{ip}}", methods.public_key),
        ]
    )
    return app


class _Methods:
    """The methods with an argument."""

    def __init__(self, control: NodeControl) -> None:
        self._control = control

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Returns the events with a sequence above `after`; if there are none, waits up to `wait` seconds for one."""
        try:
            after = int(request.query.get("after", "0"))
            wait_s = float(request.query.get("wait", "0"))
        except ValueError:
            return _error(400, "after must be a whole number, wait a number of seconds")
        found = self._control.events(after)
        if not found and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, API_WAIT_S)):
                    await self._control.next_event().wait()
            found = self._control.events(after)
        return _json(found)

    async def stop_waiting(self, _: web.Application) -> None:
        """Answers all waiting calls, because the daemon stops."""
        self._control.next_event().set()

    async def add_peer(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _error(408, "the request body did not arrive in time")
        try:
            self._control.add_peer(msgspec.json.decode(body, type=PeerRequest).endpoint)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError) as error:
            return _error(400, str(error))
        except LocalError as error:
            return _error(409, str(error))
        return web.Response(status=204)

    async def remove_peer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._control.remove_peer(request.match_info["endpoint"])
        except ConfigError as error:
            return _error(400, str(error))
        except LocalError as error:
            return _error(404, str(error))
        return web.Response(status=204)

    async def public_key(self, request: web.Request) -> web.StreamResponse:
        address = _overlay_address(request.match_info["ip"])
        if address is None:
            return _error(400, "this is not an IPv6 address")
        key = self._control.public_key_of(address)
        return _error(404, "no known node has this address") if key is None else _json({"publicKey": key})


def _overlay_address(text: str) -> str | None:
    """Returns an IPv6 address in its shortest form; None for any other text."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return socket.inet_ntop(socket.AF_INET6, packed)


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    """Tells the command line that it is no other program that answers."""
    response.headers["Server"] = f"{SERVER}{__version__}"


def _snapshot(call: Callable[[], object]) -> _Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return _json(call())

    return handler


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _error(status: int, reason: str) -> web.Response:
    return _json({"error": reason}, status=status)


def _guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
        headers = request.headers
        refusal = guard.refusal(
            request.method,
            host=headers.get("Host"),
            origin=headers.get("Origin"),
            authorization=headers.get("Authorization"),
        )
        return await handler(request) if refusal is None else _error(refusal.status, refusal.reason)

    return middleware


@web.middleware
async def _answer_errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise
        return _error(answer.status, answer.reason)
    except Exception:
        _log.exception("the API failed at %s %s", request.method, request.path)
        return _error(500, "internal error; see the log of the daemon")
