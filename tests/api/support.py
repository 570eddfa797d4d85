"""A node that is made of literals, for the tests of the API and of the command line."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import (
    AdminInfo,
    EndpointInfo,
    EventInfo,
    InvitationInfo,
    InvitationWish,
    MetricInfo,
    PeerInfo,
    ReloadInfo,
    RemovalsTaken,
    RemovalsTold,
    RouteInfo,
    SocketInfo,
    StatusInfo,
)
from mycelium.api.server import ApiServer
from mycelium.capture.pcapng import datagram_block, drops_block, head
from mycelium.endpoint import Endpoint
from mycelium.errors import LocalError
from mycelium.peer_url import PeerUrl
from tests.api.fake_diagnosis import FakeDiagnosis
from tests.api.fake_mesh import FakeMeshView
from tests.api.fake_policy import FakePolicy

ADDRESS = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:113"
KEY = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
LOOPBACK = ApiAddress("127.0.0.1", 0)

Call = Callable[..., Coroutine[Any, Any, tuple[int, Any]]]
CAPTURE = (
    head(),
    datagram_block(
        bytes((0x13, *bytes(51))),
        Endpoint("udp", "198.51.100.7", 9651),
        "udp://198.51.100.7:9651",
        is_sent=False,
        at=1_795_000_000.25,
    ),
    drops_block(3, at=1_795_000_000.5),
)
FIRST_PEER = "udp://198.51.100.7:9651"


def endpoint_at(place: str) -> EndpointInfo:
    return EndpointInfo("quic", SocketInfo(place), place, "udp")


class FakeNode:
    """A NodeControl: its peers are those it was given, everything else is fixed."""

    def __init__(self, *peers: str) -> None:
        self.urls = list(peers or (FIRST_PEER,))
        self.last_error: str | None = None  # of all peers
        self.nat_mapping = "endpoint-independent"
        self.key_shared: str | None = None  # of this node and all peers
        self.wishes: list[InvitationWish] = []
        self.invitation = Path("invitation")  # where each one is
        self.happened: list[EventInfo] = []
        self.hops: dict[bytes, tuple[bytes, int, str | None]] = {}
        self.watched = asyncio.Event()  # somebody waits for an event, or has
        self._next_event = asyncio.Event()
        self.diagnosis = FakeDiagnosis()
        self.policy = FakePolicy()
        self.mesh = FakeMeshView()
        self.is_captured = False
        self.signs_of_life = 0  # of a capture, at its end
        self.removals: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def happen(self, event: EventInfo) -> None:
        """Adds an event; to be called in the API's loop."""
        self.happened.append(event)
        self._next_event.set()
        self._next_event = asyncio.Event()

    def capture(self) -> AsyncGenerator[bytes, None]:
        if self.is_captured:
            raise LocalError("another capture is under way: there is one at a time")
        return self._captured()

    async def _captured(self) -> AsyncGenerator[bytes, None]:
        self.is_captured = True
        try:
            for part in CAPTURE:
                yield part
            for _ in range(self.signs_of_life):
                await asyncio.sleep(0.02)
                yield CAPTURE[-1]
        finally:
            self.is_captured = False

    def admin(self) -> AdminInfo:
        return AdminInfo("5c3:943d:3d21:1d4b::/64", ADDRESS, KEY, 1_795_000_000)

    def peers(self) -> list[PeerInfo]:
        return [
            PeerInfo(
                endpoint=endpoint_at(url.removeprefix("udp://")),
                type="static",
                origin="static",
                connection_state="alive",
                tx_bytes=1_500,
                rx_bytes=3_000_000,
                discovered=90,
                url=url,
                address=ADDRESS,
                rtt_ms=1.25,
                loss=0.01,
                cost=63,
                last_error=self.last_error,
                key_shared=self.key_shared,
                next_attempt_s=None if self.last_error is None else 8,
            )
            for url in self.urls
        ]

    def add_peer(self, url: str) -> None:
        canonical = str(PeerUrl.parse(url))
        if canonical in self.urls:
            raise LocalError(f"{canonical} is a peer already")
        self.urls.append(canonical)

    def remove_peer(self, url: str) -> None:
        canonical = str(PeerUrl.parse(url))
        if canonical not in self.urls:
            raise LocalError(f"{canonical} is no peer")
        self.urls.remove(canonical)

    async def reload(self) -> ReloadInfo:
        if self.last_error:
            raise LocalError(self.last_error)
        return ReloadInfo(["1 peer added"], ["tun_name"])

    async def invite(self, wish: InvitationWish) -> InvitationInfo:
        self.wishes.append(wish)
        return InvitationInfo(str(self.invitation), 1_795_000_000.0)

    def tell_removals(self, told: RemovalsTold) -> RemovalsTaken:
        self.removals.append(told.removals)
        return RemovalsTaken(newer=len(self.removals) == 1)

    def routes_selected(self) -> list[RouteInfo]:
        exact = 117_698_060_943_360
        return [
            RouteInfo("5c3:943d:3d21:1d4b::/64", FIRST_PEER, 7, exact % 65_536, 674, exact, name="berlin"),
            RouteInfo("400:1::/64", "-", "infinite", 1, None, 1),
        ]

    def routes_fallback(self) -> list[RouteInfo]:
        return []

    def next_hops(self) -> dict[bytes, tuple[bytes, int, str | None]]:
        return self.hops

    def public_key_of(self, address: str) -> str | None:
        return KEY if address == ADDRESS else None

    def status(self) -> StatusInfo:
        return StatusInfo(
            version="0.1.0",
            node_ip=ADDRESS,
            node_pubkey=KEY,
            uptime_s=3_725.5,
            tun="mycelium",
            policy=FakePolicy().info().summary,
            listening=["udp://[::]:9651"],
            seen_at=["udp://203.0.113.7:40001"],
            nat_mapping=self.nat_mapping,
            key_shared=self.key_shared,
            peers_alive=1,
            peers_total=2,
            routes=2,
            sessions=1,
            counters={"replayed": 3, "undecodable": 0},
        )

    def metrics(self) -> list[MetricInfo]:
        return [
            MetricInfo("replayed", "counter", "Datagrams dropped: replayed.", 3),
            MetricInfo("undecodable", "counter", "Datagrams dropped: malformed.", 0),
        ]

    def exposition(self) -> bytes:
        return b"# HELP up Always 1.\n# TYPE up gauge\nup 1\n"

    def events(self, after: int) -> list[EventInfo]:
        return [event for event in self.happened if event.sequence > after]

    def next_event(self) -> asyncio.Event:
        self.watched.set()
        self._loop = asyncio.get_running_loop()
        return self._next_event

    def happen_from_outside(self, event: EventInfo) -> None:
        """Adds an event from another thread; somebody must wait for one."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.happen, event)


@asynccontextmanager
async def serving(node: FakeNode, address: ApiAddress, *, token: str | None = None) -> AsyncIterator[ApiServer]:
    server = ApiServer(address, token=token)
    server.bind()
    await server.start(node)
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def answering(listener: socket.socket, *answers: bytes) -> Iterator[None]:
    """Answers each connection to a listener, whatever it asks; all answers are to be fetched."""

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):  # closing with a part of the request unread would reset the connection
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()


def unix(folder: Path) -> ApiAddress:
    return ApiAddress.parse(f"unix:{folder}/api.sock")


def calling(
    address: ApiAddress, talk: Callable[[Call], Coroutine[Any, Any, None]], *, token: str | None = None
) -> None:
    """Serves a fake node at `address` while `talk` runs; it is handed a function that makes one call."""

    async def run() -> None:
        async with serving(FakeNode(), address, token=token) as server:
            connector = aiohttp.UnixConnector(address.path) if address.is_unix else aiohttp.TCPConnector()
            base = "http://localhost" if address.is_unix else f"http://{server.address}"
            async with aiohttp.ClientSession(connector=connector) as session:

                async def call(method: str, path: str, **options: Any) -> tuple[int, Any]:
                    async with session.request(method, f"{base}/api/v1{path}", **options) as response:
                        body = await response.read()
                        return response.status, json.loads(body) if body else None

                await talk(call)

    asyncio.run(run())


def start_and_stop(address: ApiAddress) -> None:
    async def run() -> None:
        async with serving(FakeNode(), address):
            pass

    asyncio.run(run())
