"""A synchronous client of the HTTP API, with light imports, for the command line."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

import msgspec

from mycelium.admin.api_address import SERVER, ApiAddress
from mycelium.admin.control import (
    AdminInfo,
    EventInfo,
    InvitationInfo,
    InvitationWish,
    MetricInfo,
    PeerInfo,
    ReloadInfo,
    RemovalsTaken,
    RemovalsTold,
    RouteInfo,
    StatusInfo,
    TrafficInfo,
)
from mycelium.admin.diagnosis import ExplanationInfo, KnockInfo, LinkInfo, PingInfo, SessionInfo, TraceInfo
from mycelium.admin.mesh import MeshInfo
from mycelium.admin.policy_info import PolicyAnswer, PolicyInfo, PolicyQuestion
from mycelium.errors import ApiError, CallError, NoDaemon
from mycelium.limits import API_RESPONSE_BYTES

if TYPE_CHECKING:
    from mycelium.admin.speed import SpeedInfo, SpeedWish

_PREFIX: Final = "/api/v1"
_DONE: Final = (200, 204)
_TIMEOUT_S: Final = 10.0
_JSON: Final = {"Content-Type": "application/json"}  # without it the Rust implementation refuses a body
_PART_BYTES: Final = 1 << 16
_SIGN_CHARACTERS: Final = 100  # shown of an answer that is not Mycelium's

_Answer = TypeVar("_Answer")


class ApiClient:
    """The API of one daemon. Each method raises ApiError with a text for the operator."""

    def __init__(self, address: ApiAddress, *, token: str | None = None, timeout_s: float = _TIMEOUT_S) -> None:
        self._address = address
        self._token = token
        self._timeout_s = timeout_s

    def admin(self) -> AdminInfo:
        return self._get("/admin", AdminInfo)

    def peers(self) -> list[PeerInfo]:
        return self._get("/admin/peers", list[PeerInfo])

    def add_peer(self, url: str) -> None:
        self._do("POST", "/admin/peers", msgspec.json.encode({"endpoint": url}))

    def remove_peer(self, url: str) -> None:
        self._do("DELETE", f"/admin/peers/{quote(url, safe='')}")

    def reload(self) -> ReloadInfo:
        return self._post("/admin/reload", None, ReloadInfo)

    def invite(self, wish: InvitationWish) -> InvitationInfo:
        return self._post("/admin/invitations", wish, InvitationInfo)

    def routes_selected(self) -> list[RouteInfo]:
        return self._get("/admin/routes/selected", list[RouteInfo])

    def routes_fallback(self) -> list[RouteInfo]:
        return self._get("/admin/routes/fallback", list[RouteInfo])

    def explain(self, node: str) -> ExplanationInfo:
        return self._get(f"/admin/routes/explain/{quote(node, safe='')}", ExplanationInfo)

    def links(self) -> list[LinkInfo]:
        return self._get("/admin/links", list[LinkInfo])

    def sessions(self) -> list[SessionInfo]:
        return self._get("/admin/sessions", list[SessionInfo])

    def ping(self, node: str, *, wait_s: float) -> PingInfo:
        """Asks a node for an echo; `wait_s` must be below the timeout."""
        return self._get(f"/admin/ping/{quote(node, safe='')}?wait={wait_s:g}", PingInfo)

    def knocks(self) -> list[KnockInfo]:
        """Asks neighbours to reach the daemon from another port, and tells which of them could."""
        return self._post("/admin/knock", None, list[KnockInfo])

    def mesh(self, *, wait_s: float) -> MeshInfo:
        """Asks all nodes for their links; `wait_s` must be below the timeout."""
        return self._get(f"/admin/mesh?wait={wait_s:g}", MeshInfo)

    def trace(self, node: str) -> TraceInfo:
        return self._get(f"/admin/trace/{quote(node, safe='')}", TraceInfo)

    def speed_test(self, wish: "SpeedWish") -> "Iterator[SpeedInfo]":
        """Yields how a test goes, the last time when it is over; it ends when the iterator is closed."""
        from mycelium.admin.speed import SpeedInfo

        with self._answer("POST", "/admin/speedtest", msgspec.json.encode(wish)) as response:
            server = response.getheader("Server", "")
            while line := response.readline(API_RESPONSE_BYTES):
                yield self._decoded((line, server), SpeedInfo)

    def capture(self) -> Iterator[bytes]:
        """Yields a capture in the format pcapng, piece by piece; it ends when the iterator is closed."""
        with self._answer("GET", "/admin/capture") as response:
            while part := response.read1(_PART_BYTES):
                yield part

    def routes_queried(self) -> list[object]:
        return self._get("/admin/routes/queried", list[object])

    def packets(self) -> TrafficInfo:
        return self._get("/admin/stats/packets", TrafficInfo)

    def proxies(self) -> list[str]:
        return self._get("/admin/proxy", list[str])

    def policy(self) -> PolicyInfo:
        return self._get("/admin/policy", PolicyInfo)

    def test_policy(self, source: str, destination: str, port: str) -> PolicyAnswer:
        return self._post("/admin/policy/test", PolicyQuestion(source, destination, port), PolicyAnswer)

    def tell_removals(self, removals: str) -> RemovalsTaken:
        return self._post("/admin/network/removals", RemovalsTold(removals), RemovalsTaken)

    def status(self) -> StatusInfo:
        return self._get("/admin/status", StatusInfo)

    def metrics(self) -> list[MetricInfo]:
        return self._get("/admin/metrics", list[MetricInfo])

    def events(self, after: int, *, wait_s: float = 0) -> list[EventInfo]:
        """Returns the events with a greater sequence; if there are none, waits for one. `wait_s` must be below the timeout."""
        return self._get(f"/admin/events?after={after}&wait={wait_s:g}", list[EventInfo])

    def _do(self, method: str, path: str, body: bytes | None = None) -> None:
        """Makes a call whose answer has no body: one that names no server may be the Rust implementation's."""
        answer, server = self._call(method, path, body)
        if (answer or server) and not server.startswith(SERVER):
            raise self._not_of_this_api(server)

    def _get(self, path: str, answer: type[_Answer]) -> _Answer:
        return self._decoded(self._call("GET", path), answer)

    def _post(self, path: str, told: msgspec.Struct | None, answer: type[_Answer]) -> _Answer:
        body = None if told is None else msgspec.json.encode(told)
        return self._decoded(self._call("POST", path, body), answer)

    def _decoded(self, answered: tuple[bytes, str], answer: type[_Answer]) -> _Answer:
        body, server = answered
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if not server.startswith(SERVER):
                raise self._not_of_this_api(server) from None
            raise ApiError(f"the daemon at {self._address} has another API, as of another version: {error}") from None

    def _call(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, str]:
        """Returns the body of the answer, and who says that it is the server.

        The Rust implementation does not name itself: only what it answers tells it from other programs.
        """
        with self._answer(method, path, body) as response:
            answer = response.read(API_RESPONSE_BYTES + 1)
        if len(answer) > API_RESPONSE_BYTES:
            raise ApiError(f"the answer from {self._address} is longer than {API_RESPONSE_BYTES} bytes")
        return answer, response.getheader("Server", "")

    @contextmanager
    def _answer(self, method: str, path: str, body: bytes | None = None) -> Iterator[http.client.HTTPResponse]:
        """Yields an answer whose body is to be read; raises ApiError also for what goes wrong then."""
        connection = self._connection()
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        try:
            connection.request(method, _PREFIX + path, body, headers | ({} if body is None else _JSON))
            response = connection.getresponse()
            if response.status not in _DONE:
                raise self._refused(response)
            yield response
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(error) from None
        finally:
            connection.close()

    def _refused(self, response: http.client.HTTPResponse) -> ApiError:
        server = response.getheader("Server", "")
        if not server.startswith(SERVER):
            return self._stranger(f"HTTP status {response.status} {response.reason}, server {server or 'unnamed'}")
        kind = CallError if response.status == http.client.BAD_REQUEST else ApiError
        return kind(_refusal(response, response.read(API_RESPONSE_BYTES)))

    def _connection(self) -> http.client.HTTPConnection:
        if self._address.is_unix:
            return UnixConnection(self._address.path, timeout_s=self._timeout_s)
        return http.client.HTTPConnection(self._address.host, self._address.port, timeout=self._timeout_s)

    def _failure(self, error: Exception) -> ApiError:
        """Returns what an error of the connection means to the operator."""
        at = self._address
        match error:
            case ConnectionRefusedError() | FileNotFoundError():
                return NoDaemon(f"no daemon is listening at {at}: is it running?")
            case PermissionError():
                return ApiError(f"no permission to open {at}: run this command as the user of the daemon")
            case TimeoutError():
                return NoDaemon(
                    f"what is at {at} did not answer within {self._timeout_s:g} s: it is no mycelium, or it hangs"
                )
            case ConnectionError():  # with http.client.RemoteDisconnected
                return NoDaemon(f"what is at {at} closed the connection: it is no mycelium, or it is stopping")
            case OSError():
                return NoDaemon(f"cannot reach the daemon at {at}: {error.strerror or error}")
            case http.client.BadStatusLine():
                return self._stranger(f"it says {str(error).strip()}")
        return self._stranger(f"{type(error).__name__} {error}")

    def _not_of_this_api(self, server: str) -> NoDaemon:
        return self._stranger(f"its answer is not of this API, server {server or 'unnamed'}")

    def _stranger(self, sign: str) -> NoDaemon:
        shown = "".join(character if character.isprintable() else "?" for character in sign[:_SIGN_CHARACTERS])
        return NoDaemon(f"what answers at {self._address} is no mycelium ({shown})")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, *, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


class _Refused(msgspec.Struct):
    error: str


def _refusal(response: http.client.HTTPResponse, body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refused).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"the daemon answered {response.status} {response.reason}"
