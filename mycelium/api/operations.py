"""The calls of the API, one by one: what each takes, does and answers. `openapi` describes them by this list."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from math import inf
from typing import Any, Final

import msgspec
from msgspec import Struct

from mycelium.admin.control import (
    AdminInfo,
    EventInfo,
    InvitationInfo,
    InvitationWish,
    MetricInfo,
    NodeControl,
    PeerInfo,
    PublicKeyInfo,
    QueriedInfo,
    ReloadInfo,
    RemovalsTaken,
    RemovalsTold,
    RouteInfo,
    StatusInfo,
    TrafficInfo,
)
from mycelium.admin.diagnosis import ExplanationInfo, KnockInfo, LinkInfo, PingInfo, SessionInfo, TraceInfo
from mycelium.admin.exposition import CONTENT_TYPE
from mycelium.admin.mesh import MeshInfo
from mycelium.admin.policy_info import PolicyAnswer, PolicyControl, PolicyInfo, PolicyQuestion
from mycelium.admin.speed import SpeedInfo, SpeedWish
from mycelium.api.http import Response
from mycelium.api.stream import STREAM_TYPE, MeshUpdate, Streams, StreamUpdate
from mycelium.errors import HttpError, LocalError
from mycelium.limits import API_WAIT_S

PREFIX: Final = "/api/v1"
ADMIN: Final = f"{PREFIX}/admin"
METRICS: Final = "/metrics"
LINES_TYPE: Final = "application/jsonl"
CAPTURE_TYPE: Final = "application/x-pcapng"
MESH_LOOK_S: Final = 0.1  # between looks for answers
PING_WAIT_S: Final = 2.0  # for an answer, unless the call says otherwise


class PeerRequest(Struct, frozen=True):
    """The body of POST /api/v1/admin/peers."""

    endpoint: str


class QueryNumber(Struct, frozen=True):
    """A number that a call may have behind its path."""

    name: str
    type: type[int | float]
    default: int | float
    help: str


class ApiCall(Struct, frozen=True):
    """One call: the text at the end of its path, its parameters, its body."""

    text: str
    query: Mapping[str, int | float]
    body: Any


class Operation(Struct, frozen=True, kw_only=True):
    """One kind of call. What follows the folder of a path is shown as {name}; a mistake of the caller has status 400."""

    method: str
    path: str
    help: str
    answers: Any = None  # type of its JSON; None: nothing
    do: Callable[[ApiCall], object]  # may be awaitable; a `Response` is sent as it is
    body: type[Struct] | None = None
    query: tuple[QueryNumber, ...] = ()
    needs_owner: bool = False  # for the unix socket, or with a token: not for whoever is on this host
    refused: int | None = None  # status where the node can't do it
    content_type: str = "application/json"

    def read(self, query: Mapping[str, str], text: str, body: bytes) -> ApiCall:
        """Returns a call; raises HttpError with the reason if it is none."""
        numbers = {one.name: _number(one, query) for one in self.query}
        try:
            return ApiCall(text, numbers, None if self.body is None else msgspec.json.decode(body, type=self.body))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as failed:
            raise HttpError(400, str(failed)) from None


def operations(control: NodeControl, streams: Streams) -> list[Operation]:
    """Returns all calls of the API of a node."""
    about = [*_about_the_node(control), *_about_the_network(control), *_about_the_policy(control.policy)]
    return [*_as_the_rust_implementation(control), *about, *_watching(control, streams)]


def _as_the_rust_implementation(control: NodeControl) -> list[Operation]:
    peers, routes = f"{ADMIN}/peers", f"{ADMIN}/routes"
    key_help = "The public key of the node that has an overlay address."
    # No subnet is asked for, as all routes are known; packets are not counted by nodes; no proxy is looked for.
    return [
        _get(ADMIN, "Who this node is.", AdminInfo, control.admin),
        _get(peers, "Peers and neighbours, with their links.", list[PeerInfo], control.peers),
        _post(
            peers,
            "Adds a peer until the daemon stops.",
            None,
            lambda call: control.add_peer(call.body.endpoint),
            PeerRequest,
        ),
        Operation(
            method="DELETE",
            path=f"{peers}/{{endpoint}}",
            help="Removes a peer until the daemon starts again.",
            do=lambda call: control.remove_peer(call.text),
            refused=404,
        ),
        _get(f"{routes}/selected", "Routes in use.", list[RouteInfo], control.routes_selected),
        _get(f"{routes}/fallback", "All other finite routes.", list[RouteInfo], control.routes_fallback),
        _get(f"{routes}/queried", "Subnets that are asked for.", list[QueriedInfo], tuple),
        _get(f"{ADMIN}/stats/packets", "Packets by other nodes.", TrafficInfo, TrafficInfo),
        _get(f"{ADMIN}/proxy", "SOCKS proxies in the overlay.", list[str], tuple),
        _ask(f"{PREFIX}/pubkey/{{ip}}", key_help, PublicKeyInfo, lambda call: _public_key(control, call.text)),
    ]


def _about_the_node(control: NodeControl) -> list[Operation]:
    why = control.diagnosis
    wait = QueryNumber("wait", float, PING_WAIT_S, "Seconds to wait for an answer.")
    return [
        _get(f"{ADMIN}/status", "This node at a glance, and every counter.", StatusInfo, control.status),
        _get(f"{ADMIN}/metrics", "Every counter and what it means.", list[MetricInfo], control.metrics),
        _get(f"{ADMIN}/links", "Every authenticated neighbour.", list[LinkInfo], why.links),
        _get(f"{ADMIN}/sessions", "Every end-to-end session.", list[SessionInfo], why.sessions),
        _ask(
            f"{ADMIN}/routes/explain/{{node}}",
            "Why a node is reached over one neighbour and not over another.",
            ExplanationInfo,
            lambda call: why.explain(call.text),
        ),
        _ask(
            f"{ADMIN}/ping/{{node}}",
            "An echo, end to end.",
            PingInfo,
            lambda call: why.ping(call.text, wait_s=_wait_s(call)),
            wait,
        ),
        _ask(f"{ADMIN}/trace/{{node}}", "The nodes on the way.", TraceInfo, lambda call: why.trace(call.text)),
        _post(
            f"{ADMIN}/knock",
            "Asks neighbours to send a datagram from another port, to see whether others can dial this node.",
            list[KnockInfo],
            lambda _: why.knocks(),
        ),
        Operation(
            method="POST",
            path=f"{ADMIN}/speedtest",
            help="Measures what gets through to a node and back, and tells how it goes, an object on each line.",
            answers=SpeedInfo,
            body=SpeedWish,
            do=lambda call: Response(200, b"", LINES_TYPE, parts=_lines(why.speed_test(call.body))),
            refused=404,
            content_type=LINES_TYPE,
        ),
        _post(
            f"{ADMIN}/reload",
            "Reads the configuration again: peers and log settings change at once.",
            ReloadInfo,
            lambda _: control.reload(),
        ),
    ]


def _about_the_network(control: NodeControl) -> list[Operation]:
    wait = QueryNumber("wait", float, 0.0, "Seconds to wait for the answers of all nodes.")
    return [
        Operation(
            method="GET",
            path=f"{ADMIN}/mesh",
            help="What all nodes tell of their links, who are asked for some seconds.",
            answers=MeshInfo,
            query=(wait,),
            do=lambda call: _mesh(control, call),
        ),
        _post(
            f"{ADMIN}/invitations",
            "Makes an invitation to a private network.",
            InvitationInfo,
            lambda call: control.invite(call.body),
            InvitationWish,
        ),
        _post(
            f"{ADMIN}/network/removals",
            "Tells all members of a network who was removed.",
            RemovalsTaken,
            lambda call: control.tell_removals(call.body),
            RemovalsTold,
        ),
    ]


def _about_the_policy(policy: PolicyControl) -> list[Operation]:
    path = f"{ADMIN}/policy"
    return [
        _get(path, "What may come in from other nodes.", PolicyInfo, policy.info),
        _post(
            f"{path}/test",
            "Whether a node may begin something with a port of another one, and what decides.",
            PolicyAnswer,
            lambda call: policy.test(call.body),
            PolicyQuestion,
            refused=404,
        ),
    ]


def _watching(control: NodeControl, streams: Streams) -> list[Operation]:
    events_help = "Events with a sequence above `after`, oldest first."
    after = QueryNumber("after", int, 0, "Sequence of the newest event that is known.")
    wait = QueryNumber("wait", float, 0.0, "Seconds to wait for an event if there is none.")
    return [
        Operation(
            method="GET",
            path=f"{ADMIN}/events",
            help=events_help,
            answers=list[EventInfo],
            query=(after, wait),
            do=lambda call: _events(control, call),
        ),
        _stream(f"{PREFIX}/stream", "What changes, as server-sent events.", StreamUpdate, streams.open),
        _stream(
            f"{PREFIX}/stream/mesh",
            "What nodes tell of their links, as server-sent events; they are asked while the stream is open.",
            MeshUpdate,
            streams.open_mesh,
        ),
        Operation(
            method="GET",
            path=f"{ADMIN}/capture",
            help="All datagrams, and the keys that open them, until the call is ended: a file of the format pcapng.",
            answers=str,
            do=lambda _: Response(200, b"", CAPTURE_TYPE, parts=control.capture()),
            needs_owner=True,
            refused=503,
            content_type=CAPTURE_TYPE,
        ),
        Operation(
            method="GET",
            path=METRICS,
            help="What Prometheus is to know.",
            answers=str,
            do=lambda _: Response(200, control.exposition(), CONTENT_TYPE),
            content_type=CONTENT_TYPE,
        ),
    ]


def _get(path: str, help: str, answers: Any, do: Callable[[], object]) -> Operation:
    return Operation(method="GET", path=path, help=help, answers=answers, do=lambda _: do())


def _stream(path: str, help: str, answers: Any, do: Callable[[], object]) -> Operation:
    return Operation(
        method="GET", path=path, help=help, answers=answers, do=lambda _: do(), refused=503, content_type=STREAM_TYPE
    )


def _ask(path: str, help: str, answers: Any, do: Callable[[ApiCall], object], *query: QueryNumber) -> Operation:
    """Returns a question about something that the node may not know."""
    return Operation(method="GET", path=path, help=help, answers=answers, do=do, query=query, refused=404)


def _post(
    path: str,
    help: str,
    answers: Any,
    do: Callable[[ApiCall], object],
    body: type[Struct] | None = None,
    *,
    refused: int = 409,
) -> Operation:
    """Returns a call that hands something over, or that changes something at the node."""
    return Operation(method="POST", path=path, help=help, answers=answers, do=do, body=body, refused=refused)


async def _lines(told: AsyncGenerator[Struct, None]) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(told):
        async for one in told:
            yield msgspec.json.encode(one) + b"\n"


def _public_key(control: NodeControl, text: str) -> PublicKeyInfo:
    address = overlay_address(text)
    if address is None:
        raise HttpError(400, "this is not an IPv6 address")
    key = control.public_key_of(address)
    if key is None:
        raise LocalError("no known node has this address")
    return PublicKeyInfo(key)


async def _events(control: NodeControl, call: ApiCall) -> list[EventInfo]:
    found = control.events(int(call.query["after"]))
    if not found and call.query["wait"] > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(call.query["wait"], API_WAIT_S)):
                await control.next_event().wait()
        found = control.events(int(call.query["after"]))
    return found


async def _mesh(control: NodeControl, call: ApiCall) -> MeshInfo:
    time = asyncio.get_running_loop().time
    until, found = time() + min(call.query["wait"], API_WAIT_S), MeshInfo(control.mesh.look())
    while found.is_waiting and time() < until:
        await asyncio.sleep(MESH_LOOK_S)
        found = MeshInfo(control.mesh.look())
    return found


def _wait_s(call: ApiCall) -> float:
    if not 0 < call.query["wait"] <= API_WAIT_S:
        raise HttpError(400, f"wait must be a number of seconds, at most {API_WAIT_S:g}")
    return call.query["wait"]


def _number(parameter: QueryNumber, query: Mapping[str, str]) -> int | float:
    try:
        number = parameter.type(query.get(parameter.name, parameter.default))
    except ValueError:
        number = -1
    if not 0 <= number < inf:  # which a NaN is not either
        kind = "whole number" if parameter.type is int else "number"
        raise HttpError(400, f"{parameter.name} must be a {kind}, 0 or more")
    return number


def overlay_address(text: str) -> str | None:
    """Returns an IPv6 address in its shortest form; None for any other text."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return None
    return socket.inet_ntop(socket.AF_INET6, packed)
