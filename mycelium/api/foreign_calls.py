"""Calls of the Rust implementation's API for what this one does not have: done where nothing is to be done, else refused."""

from typing import Final

from mycelium.api.http import Request, Response, error

_FOLDER: Final = "/api/v1"
_PROXY: Final = f"{_FOLDER}/admin/proxy"
MESSAGES: Final = "messages and topics are not carried here: send what you have to overlay addresses, by TCP or UDP"
PROXIES: Final = "no SOCKS proxies are used or looked for here: to search, each node would be called at a port"


def foreign_answer(request: Request) -> Response | None:
    """Returns the answer to such a call; None for any other."""
    path, method = request.path, request.method
    if path == f"{_FOLDER}/messages" or path.startswith(f"{_FOLDER}/messages/"):
        return error(501, MESSAGES)
    if (path, method) in ((_PROXY, "POST"), (f"{_PROXY}/probe", "GET")):
        return error(501, PROXIES)
    if method in foreign_methods(path):
        return Response(204)  # there is no proxy that this would have to disconnect or to stop looking for
    return None


def foreign_methods(path: str) -> tuple[str, ...]:
    """Returns the methods of the calls at a path that are done."""
    return ("DELETE",) if path in (_PROXY, f"{_PROXY}/probe") else ()
