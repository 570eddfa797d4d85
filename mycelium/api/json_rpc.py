"""JSON-RPC 2.0 over HTTP POST, with the methods and error codes of the Rust implementation where this one has what they do."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from mycelium import __version__
from mycelium.admin.control import NodeControl, TrafficInfo
from mycelium.api.app import Application
from mycelium.api.foreign_calls import MESSAGES, PROXIES
from mycelium.api.http import Request, Response, not_allowed
from mycelium.api.operations import overlay_address
from mycelium.api.server import ApiServer
from mycelium.errors import ConfigError, LocalError, RpcError

NO_JSON: Final = -32_700
NO_REQUEST: Final = -32_600
NO_METHOD: Final = -32_601
NO_PARAMETERS: Final = -32_602
NO_ADDRESS: Final = -32_007
NO_KEY: Final = -32_008
NO_NEW_PEER: Final = -32_009
PEER_EXISTS: Final = -32_010
NO_SUCH_PEER: Final = -32_011
NO_PEER: Final = -32_012

_PROXY_METHODS: Final = ("connectProxy", "startProxyProbe")
_MESSAGE_METHODS: Final = ("Message", "Topic")  # what the names of their methods contain


class RpcCall(Struct, frozen=True):
    """One call; without an `id` it is a notification, which has no answer."""

    method: str
    jsonrpc: str
    params: list[Any] | dict[str, Any] = msgspec.field(default_factory=list)
    id: int | str | float | msgspec.UnsetType | None = msgspec.UNSET


class JsonRpc:
    """The methods of one node: each has the names of its parameters, all of them strings, and what it calls."""

    def __init__(self, control: NodeControl) -> None:
        self._control = control
        self._methods: dict[str, tuple[tuple[str, ...], Callable[..., object]]] = {
            "getInfo": ((), control.admin),
            "getPublicKeyFromIp": (("ip",), self._public_key),
            "getPeers": ((), control.peers),
            "addPeer": (("endpoint",), self._add_peer),
            "deletePeer": (("endpoint",), self._remove_peer),
            "getSelectedRoutes": ((), control.routes_selected),
            "getFallbackRoutes": ((), control.routes_fallback),
            "getQueriedSubnets": ((), tuple),
            "getProxies": ((), tuple),
            "disconnectProxy": ((), lambda: True),
            "stopProxyProbe": ((), lambda: True),
            "getPacketStatistics": ((), TrafficInfo),
            "rpc.discover": ((), self._discover),
        }

    def answer(self, body: bytes) -> bytes:
        """Returns the answer to a call or a list of calls; nothing if none of them wants one."""
        try:
            asked = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as failed:
            return msgspec.json.encode(_told(None, error=RpcError(NO_JSON, str(failed))))
        if not isinstance(asked, list):
            told = self._answer(asked)
            return b"" if told is None else msgspec.json.encode(told)
        if not asked:
            return msgspec.json.encode(_told(None, error=RpcError(NO_REQUEST, "an empty list of calls")))
        answers = [told for one in asked if (told := self._answer(one)) is not None]
        return msgspec.json.encode(answers) if answers else b""

    def _answer(self, asked: object) -> dict[str, object] | None:
        try:
            call = msgspec.convert(asked, RpcCall)
        except msgspec.ValidationError as failed:
            return _told(None, error=RpcError(NO_REQUEST, str(failed)))
        try:
            told = _told(call.id, result=self._call(call))
        except RpcError as failed:
            told = _told(call.id, error=failed)
        return None if call.id is msgspec.UNSET else told

    def _call(self, call: RpcCall) -> object:
        if call.method not in self._methods:
            raise RpcError(NO_METHOD, _why_not(call.method))
        names, do = self._methods[call.method]
        given = call.params if isinstance(call.params, dict) else dict(zip(names, call.params, strict=False))
        is_fit = len(call.params) == len(names) and given.keys() == set(names)
        if not is_fit or not all(isinstance(value, str) for value in given.values()):
            raise RpcError(NO_PARAMETERS, f"{call.method} takes {' and '.join(names) or 'no parameters'}")
        return do(**given)

    def _public_key(self, ip: str) -> str:
        address = overlay_address(ip)
        if address is None:
            raise RpcError(NO_ADDRESS, "this is not an IPv6 address")
        key = self._control.public_key_of(address)
        if key is None:
            raise RpcError(NO_KEY, "no known node has this address")
        return key

    def _add_peer(self, endpoint: str) -> bool:
        return _changed(self._control.add_peer, endpoint, invalid=NO_NEW_PEER, refused=PEER_EXISTS)

    def _remove_peer(self, endpoint: str) -> bool:
        return _changed(self._control.remove_peer, endpoint, invalid=NO_PEER, refused=NO_SUCH_PEER)

    def _discover(self) -> object:
        methods = [
            {
                "name": name,
                "params": [{"name": one, "required": True, "schema": {"type": "string"}} for one in parameters],
                "result": {"name": "result", "schema": {}},
            }
            for name, (parameters, _) in self._methods.items()
        ]
        return {"openrpc": "1.2.6", "info": {"title": "Mycelium", "version": __version__}, "methods": methods}


class JsonRpcApplication(Application):
    """The JSON-RPC of one node, at any path, under the guard of the API."""

    _public_paths = ()

    async def _call(self, request: Request, body: bytes) -> Response:
        if request.method != "POST":
            raise not_allowed(["POST"], "JSON-RPC takes POST")
        told = JsonRpc(self._control).answer(body)
        return Response(200, told) if told else Response(204)


class JsonRpcServer(ApiServer):
    """Serves it."""

    what = "JSON-RPC"
    flag = "--jsonrpc-addr"
    _application_class = JsonRpcApplication


def _told(id_: object, *, result: object = None, error: RpcError | None = None) -> dict[str, object]:
    said = {"result": result} if error is None else {"error": {"code": error.code, "message": str(error)}}
    return {"jsonrpc": "2.0", "id": None if id_ is msgspec.UNSET else id_, **said}


def _changed(change: Callable[[str], None], url: str, *, invalid: int, refused: int) -> bool:
    try:
        change(url)
    except ConfigError as failed:
        raise RpcError(invalid, str(failed)) from None
    except LocalError as failed:
        raise RpcError(refused, str(failed)) from None
    return True


def _why_not(method: str) -> str:
    if method in _PROXY_METHODS:
        return PROXIES
    return MESSAGES if any(part in method for part in _MESSAGE_METHODS) else f"there is no method {method[:50]}"
