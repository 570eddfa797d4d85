"""The methods of the API: paths, status codes and JSON as in `/api/v1` of the Rust implementation."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Container
from typing import Final

import msgspec

from mycelium.admin.control import InvitationWish, NodeControl, TrafficInfo
from mycelium.admin.exposition import CONTENT_TYPE
from mycelium.api import page
from mycelium.api.counters import ApiCounters
from mycelium.api.foreign_calls import foreign_answer
from mycelium.api.guard import Guard
from mycelium.api.http import Request, Response, error, text_of
from mycelium.api.stream import Streams
from mycelium.errors import ConfigError, HttpError, LocalError
from mycelium.limits import API_WAIT_S

PREFIX: Final = "/api/v1"
PEERS: Final = f"{PREFIX}/admin/peers"
METRICS: Final = "/metrics"
INVITATIONS: Final = f"{PREFIX}/admin/invitations"
PUBLIC_KEY: Final = f"{PREFIX}/pubkey"
STREAM: Final = f"{PREFIX}/stream"
EXPLAIN: Final = f"{PREFIX}/admin/routes/explain"
PING: Final = f"{PREFIX}/admin/ping"
TRACE: Final = f"{PREFIX}/admin/trace"
PING_WAIT_S: Final = 2.0  # for an answer, unless the call says otherwise

_log = logging.getLogger(__name__)

ReadBody = Callable[[], Awaitable[bytes]]  # raises HttpError


class PeerRequest(msgspec.Struct, frozen=True):
    """The body of POST /admin/peers."""

    endpoint: str


class Application:
    """The API of one node."""

    _public_paths: Container[str] = page.FILES  # which need no token

    def __init__(self, control: NodeControl, guard: Guard, counters: ApiCounters) -> None:
        self._control = control
        self._guard = guard
        self._streams = Streams(control, counters)
        self._snapshots: dict[str, Callable[[], object]] = {
            f"{PREFIX}/admin": control.admin,
            PEERS: control.peers,
            f"{PREFIX}/admin/routes/selected": control.routes_selected,
            f"{PREFIX}/admin/routes/fallback": control.routes_fallback,
            f"{PREFIX}/admin/routes/queried": tuple,  # no route is asked for: all are known
            f"{PREFIX}/admin/stats/packets": TrafficInfo,
            f"{PREFIX}/admin/proxy": tuple,  # this node has none
            f"{PREFIX}/admin/status": control.status,
            f"{PREFIX}/admin/metrics": control.metrics,
            f"{PREFIX}/admin/links": control.diagnosis.links,
            f"{PREFIX}/admin/sessions": control.diagnosis.sessions,
        }

    async def answer(self, request: Request, read_body: ReadBody) -> Response:
        """Returns the answer to a request, whose body is read only where it is allowed."""
        try:
            self._refuse_strangers(request)
            return await self._call(request, await read_body())
        except HttpError as refused:
            return error(refused.status, str(refused))
        except Exception:
            _log.exception("the API failed at %s %s", request.method, request.path)
            return error(500, "internal error; see the log of the daemon")

    def stop_waiting(self) -> None:
        """Answers all waiting calls, because the daemon stops."""
        self._control.next_event().set()

    def _refuse_strangers(self, request: Request) -> None:
        refusal = self._guard.refusal(request.method, request.headers, is_public=request.path in self._public_paths)
        if refusal is not None:
            raise HttpError(refusal.status, refusal.reason)

    async def _call(self, request: Request, body: bytes) -> Response:
        is_read = request.method in ("GET", "HEAD")
        folder, _, last = request.path.rpartition("/")
        snapshot = self._snapshots.get(request.path)
        if snapshot is not None and is_read:
            return _json(snapshot())
        if request.path == METRICS:
            _refuse_unless(is_read)
            return Response(200, self._control.exposition(), CONTENT_TYPE)
        if request.path in page.FILES and is_read:
            return page.file(request.path)
        if request.path == STREAM and is_read:
            return self._streams.open()
        if request.path == PEERS and request.method == "POST":
            return self._add_peer(body)
        if request.path == INVITATIONS:
            _refuse_unless(request.method == "POST")
            return await self._invite(body)
        if request.path.startswith(f"{PEERS}/"):
            _refuse_unless(request.method == "DELETE")
            return self._remove_peer(text_of(request.path.removeprefix(f"{PEERS}/")))
        if request.path == f"{PREFIX}/admin/events":
            _refuse_unless(is_read)
            return await self._events(request.query)
        if folder in (EXPLAIN, PING, TRACE) and last:
            _refuse_unless(is_read)
            return await self._about_node(folder, text_of(last), request.query)
        if folder == PUBLIC_KEY and last:
            _refuse_unless(is_read)
            return self._public_key(text_of(last))
        foreign = foreign_answer(request)
        if foreign is not None:
            return foreign
        is_known = snapshot is not None or request.path in page.FILES or request.path == STREAM
        raise HttpError(405 if is_known else 404)

    async def _events(self, query: dict[str, str]) -> Response:
        """Returns the events with a sequence above `after`; if there are none, waits up to `wait` seconds for one."""
        try:
            after = int(query.get("after", "0"))
            wait_s = float(query.get("wait", "0"))
        except ValueError:
            raise HttpError(400, "after must be a whole number, wait a number of seconds") from None
        found = self._control.events(after)
        if not found and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, API_WAIT_S)):
                    await self._control.next_event().wait()
            found = self._control.events(after)
        return _json(found)

    async def _about_node(self, question: str, node: str, query: dict[str, str]) -> Response:
        """Returns what is asked about a node, by any text that names it."""
        diagnosis = self._control.diagnosis
        try:
            match question:
                case value if value == EXPLAIN:
                    return _json(diagnosis.explain(node))
                case value if value == PING:
                    return _json(await diagnosis.ping(node, wait_s=_wait_s(query)))
            return _json(await diagnosis.trace(node))
        except LocalError as unknown:
            return error(404, str(unknown))

    def _add_peer(self, body: bytes) -> Response:
        try:
            self._control.add_peer(msgspec.json.decode(body, type=PeerRequest).endpoint)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError) as failed:
            return error(400, str(failed))
        except LocalError as failed:
            return error(409, str(failed))
        return Response(204)

    async def _invite(self, body: bytes) -> Response:
        try:
            return _json(await self._control.invite(msgspec.json.decode(body, type=InvitationWish)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ConfigError) as failed:
            return error(400, str(failed))
        except LocalError as failed:
            return error(409, str(failed))

    def _remove_peer(self, url: str) -> Response:
        try:
            self._control.remove_peer(url)
        except ConfigError as failed:
            return error(400, str(failed))
        except LocalError as failed:
            return error(404, str(failed))
        return Response(204)

    def _public_key(self, text: str) -> Response:
        address = overlay_address(text)
        if address is None:
            return error(400, "this is not an IPv6 address")
        key = self._control.public_key_of(address)
        return error(404, "no known node has this address") if key is None else _json({"publicKey": key})


class MetricsApplication(Application):
    """The metrics of one node alone."""

    _public_paths = ()

    async def _call(self, request: Request, body: bytes) -> Response:
        if request.path != METRICS:
            raise HttpError(404, f"only {METRICS} is here")
        return await super()._call(request, body)


def _refuse_unless(is_method: bool) -> None:
    if not is_method:
        raise HttpError(405)


def _wait_s(query: dict[str, str]) -> float:
    """Returns how many seconds a call waits for an answer."""
    try:
        wait_s = float(query.get("wait", PING_WAIT_S))
    except ValueError:
        raise HttpError(400, "wait must be a number of seconds") from None
    if not 0 < wait_s <= API_WAIT_S:
        raise HttpError(400, f"wait must be a number of seconds, at most {API_WAIT_S:g}")
    return wait_s


def overlay_address(text: str) -> str | None:
    """Returns an IPv6 address in its shortest form; None for any other text."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return socket.inet_ntop(socket.AF_INET6, packed)


def _json(value: object) -> Response:
    return Response(200, msgspec.json.encode(value))
