"""PCP and NAT-PMP over loopback: requests are repeated, junk is not heard, and the wait has an end.

UPnP and a real router are in tests/netns/test_port_mapping.py.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address

import pytest

from mycelium.daemon import port_protocols
from mycelium.daemon.gateway import Gateway
from mycelium.daemon.port_protocols import MappingProtocol, NatPmp, Pcp, protocols
from mycelium.errors import MappingRefused
from mycelium.packet.port_mapping import PortMapping
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S

PORT = 9651
HOME = Gateway("127.0.0.1", "127.0.0.1")
NONCE = bytes(12)
Respond = Callable[[bytes], list[bytes]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is repeated only because this machine is busy."""
    monkeypatch.setattr(port_protocols, "WAITS_S", (PATIENCE_S,))


def pcp_response(request: bytes) -> bytes:
    head = struct.pack("!BBBBII12x", 2, 0x81, 0, 0, struct.unpack_from("!I", request, 4)[0], 77)
    return head + request[24:40] + request[40:42] + struct.pack("!H", 40_001) + IPv6Address("::ffff:11.0.1.2").packed


def nat_pmp_response(request: bytes) -> bytes:
    if len(request) == 2:
        return struct.pack("!BBHI4s", 0, 128, 0, 77, bytes((11, 0, 1, 2)))
    port, _, lifetime_s = struct.unpack_from("!HHI", request, 4)
    return struct.pack("!BBHIHHI", 0, 129, 0, 77, port, 40_001, lifetime_s)


@contextlib.contextmanager
def router(loop: asyncio.AbstractEventLoop, respond: Respond) -> Iterator[tuple[int, asyncio.Queue[bytes]]]:
    """Yields the port of a router, and the requests that come."""
    requests: asyncio.Queue[bytes] = asyncio.Queue()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            request, source = server.recvfrom(2_000)
            requests.put_nowait(request)
            for response in respond(request):
                server.sendto(response, source)

        loop.add_reader(server.fileno(), answer)
        yield server.getsockname()[1], requests
        loop.remove_reader(server.fileno())


def ask(make: Callable[[int], MappingProtocol], respond: Respond) -> tuple[PortMapping, list[bytes]]:
    """Asks a router twice and gives the mapping back; returns the second answer and all requests."""

    async def live() -> tuple[PortMapping, list[bytes]]:
        with router(asyncio.get_running_loop(), respond) as (port, requests):
            protocol = make(port)
            await protocol.ask(1_200)
            mapping = await protocol.ask(1_200)
            came = [requests.get_nowait() for _ in range(requests.qsize())]
            await protocol.give_back()
            async with asyncio.timeout(PATIENCE_S):
                return mapping, [*came, await requests.get()]

    return asyncio.run(live())


def pcp(port: int) -> MappingProtocol:
    return Pcp(HOME, PORT, Underlay(), NONCE, router_port=port)


def nat_pmp(port: int) -> MappingProtocol:
    return NatPmp(HOME, PORT, Underlay(), router_port=port)


def test_pcp_asks_renews_and_gives_back() -> None:
    mapping, requests = ask(pcp, lambda request: [pcp_response(request)])
    assert mapping == PortMapping("11.0.1.2", 40_001, 1_200)
    assert [struct.unpack_from("!I", request, 4)[0] for request in requests] == [1_200, 1_200, 0]
    assert [struct.unpack_from("!H", request, 42)[0] for request in requests] == [PORT, 40_001, 0]


def test_nat_pmp_asks_renews_and_gives_back() -> None:
    mapping, requests = ask(nat_pmp, lambda request: [nat_pmp_response(request)])
    assert mapping == PortMapping("11.0.1.2", 40_001, 1_200)
    assert [len(request) for request in requests] == [2, 12, 2, 12, 12]
    assert struct.unpack_from("!HHI", requests[-1], 4) == (PORT, 0, 0)


def test_requests_are_repeated_and_junk_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_protocols, "WAITS_S", (0.05, PATIENCE_S))
    calls: list[bytes] = []

    def respond(request: bytes) -> list[bytes]:
        calls.append(request)
        foreign = pcp_response(request)[:24] + bytes(range(12)) + pcp_response(request)[36:]
        return [] if len(calls) == 1 else [b"", b"junk", foreign, pcp_response(request)]

    mapping, _ = ask(pcp, respond)
    assert mapping.port == 40_001
    assert calls[0] == calls[1]


def test_the_wait_for_an_answer_has_an_end_even_in_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_protocols, "WAITS_S", (0.05, 0.05))
    for respond in (lambda request: [], lambda request: [b"junk"] * 100):
        with pytest.raises(TimeoutError):
            ask(pcp, respond)


def test_a_router_where_nothing_listens_is_left_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:  # to all but the address it is connected to
        deaf.bind(("127.0.0.1", 0))
        deaf.connect(("127.0.0.1", 1))
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(pcp(deaf.getsockname()[1]).ask(1_200))


def test_a_refusal_is_passed_on() -> None:
    with pytest.raises(MappingRefused, match="does not speak PCP"):
        ask(pcp, lambda request: [bytes((0, 128, 0, 1)) + bytes(4)])


def test_upnp_is_tried_last_and_only_with_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [one.name for one in protocols(HOME, port=PORT, underlay=Underlay(), nonce=NONCE)]

    assert names() == ["PCP", "NAT-PMP", "UPnP"]
    monkeypatch.setitem(__import__("sys").modules, "miniupnpc", None)
    assert names() == ["PCP", "NAT-PMP"]
