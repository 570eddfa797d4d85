"""The API of one node: each call finds its operation, is guarded, and has an answer."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Container
from typing import Final

import msgspec

from mycelium.admin.control import NodeControl
from mycelium.api import page
from mycelium.api.counters import ApiCounters
from mycelium.api.foreign_calls import foreign_answer, foreign_methods
from mycelium.api.guard import Guard
from mycelium.api.http import Request, Response, answer_to, error, not_allowed, text_of
from mycelium.api.operations import METRICS, Operation, operations
from mycelium.api.stream import Streams
from mycelium.errors import ConfigError, HttpError, LocalError

OPENAPI: Final = "/openapi.json"

_OWNER_ONLY: Final = (
    "this call reveals keys, and any program of this host could make it: give the API a unix socket "
    "(--api-addr unix:PATH) or a token (--api-token-file)"
)

_log = logging.getLogger(__name__)

ReadBody = Callable[[], Awaitable[bytes]]  # raises HttpError


class Application:
    """The API of one node."""

    _public_paths: Container[str] = page.FILES  # which need no token

    def __init__(self, control: NodeControl, guard: Guard, counters: ApiCounters) -> None:
        self._control = control
        self._guard = guard
        self._operations = operations(control, Streams(control, counters))
        self._by_path: dict[str, dict[str, Operation]] = {}  # and method; a path ends with / where a text follows
        for one in self._operations:
            self._by_path.setdefault(one.path.partition("{")[0], {})[one.method] = one

    async def answer(self, request: Request, read_body: ReadBody) -> Response:
        """Returns the answer to a request, whose body is read only where it is allowed."""
        try:
            self._refuse_strangers(request)
            return await self._call(request, await read_body())
        except HttpError as refused:
            return answer_to(refused)
        except Exception:
            _log.exception("the API failed at %s %s", request.method, request.path)
            return error(500, "internal error; see the log of the daemon")

    def stop_waiting(self) -> None:
        """Answers all waiting calls, because the daemon stops."""
        self._control.next_event().set()

    def _refuse_strangers(self, request: Request) -> None:
        refusal = self._guard.refusal(request.method, request.headers, is_public=request.path in self._public_paths)
        if refusal is not None:
            raise HttpError(refusal.status, refusal.reason, refusal.headers)

    async def _call(self, request: Request, body: bytes) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        by_method, text = self._find(request.path)
        operation = by_method.get(method)
        if operation is not None:
            if operation.needs_owner and not self._guard.is_private:
                raise HttpError(403, _OWNER_ONLY)
            return await _carried_out(operation, request.query, text, body)
        if request.path in page.FILES and method == "GET":
            return page.file(request.path, request.headers)
        if request.path == OPENAPI and method == "GET":
            return self._document()
        if (foreign := foreign_answer(request)) is not None:
            return foreign
        methods = [*by_method, *foreign_methods(request.path)]
        if request.path in page.FILES or request.path == OPENAPI:
            methods.append("GET")
        raise not_allowed(methods) if methods else HttpError(404)

    def _find(self, path: str) -> tuple[dict[str, Operation], str]:
        """Returns the operations at a path by their methods, and the text at its end that is a parameter."""
        if path in self._by_path and not path.endswith("/"):
            return self._by_path[path], ""
        folders = [one for one in self._by_path if one.endswith("/") and path.startswith(one) and path != one]
        if not folders:
            return {}, ""
        folder = max(folders, key=len)
        return self._by_path[folder], text_of(path.removeprefix(folder))

    def _document(self) -> Response:
        from mycelium.api.openapi import document  # here, because few want it

        return Response(200, msgspec.json.encode(document(self._operations)))


class MetricsApplication(Application):
    """The metrics of one node alone."""

    _public_paths = ()

    async def _call(self, request: Request, body: bytes) -> Response:
        if request.path != METRICS:
            raise HttpError(404, f"only {METRICS} is here")
        return await super()._call(request, body)


async def _carried_out(operation: Operation, query: dict[str, str], text: str, body: bytes) -> Response:
    call = operation.read(query, text, body)
    try:
        done = operation.do(call)
        answer = await done if inspect.isawaitable(done) else done
    except ConfigError as failed:
        return error(400, str(failed))
    except LocalError as failed:
        return error(operation.refused or 400, str(failed))
    if isinstance(answer, Response):
        return answer
    return Response(204) if operation.answers is None else Response(200, msgspec.json.encode(answer))
