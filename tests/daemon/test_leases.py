"""Leases on a real host: sockets, the loop, and what the node is told. The kernel's part is another test's."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mycelium.daemon import leases as leases_module
from mycelium.daemon.leases import SWITCHED_OFF, KernelLeases
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.outbox import LeaseClosed, LeaseOpened, LeasePortWanted
from mycelium.transport.ephemeral_port import EphemeralPort
from mycelium.transport.underlay import Underlay

HERE = Endpoint("udp", "127.0.0.1", 9)


class RecordingLeasing:
    """Stands in for the node."""

    def __init__(self) -> None:
        self.given = self
        self.is_offered = False
        self.told: list[tuple[Any, ...]] = []

    def port_opened(self, number: int, port: int, *, now: float) -> None:
        self.told.append(("port", number, port))

    def passes(self, number: int, *, now: float) -> None:
        self.told.append(("passes", number))

    def failed(self, number: int, cause: str, *, now: float) -> None:
        self.told.append(("failed", number, cause))

    def closed(self, number: int, datagrams: int, size: int, *, now: float) -> None:
        self.told.append(("closed", number, datagrams, size))

    def arrived(self, number: int, source: Endpoint, data: bytes, *, now: float) -> bytes | None:
        self.told.append(("arrived", number, data))
        return b"answer to " + data


class FakeRelay:
    """Stands in for the kernel."""

    def __init__(self, underlay: Underlay) -> None:
        self.underlay = underlay
        self.ports: dict[int, EphemeralPort] = {}
        self.trouble = ""

    def open(self, number: int) -> EphemeralPort:
        if self.trouble:
            raise DeviceError(self.trouble)
        port = self.ports[number] = EphemeralPort(self.underlay)
        return port

    def pass_between(self, number: int, one: Endpoint, other: Endpoint) -> None:
        if self.trouble:
            raise DeviceError(self.trouble)

    def routes_changed(self) -> dict[int, str]:
        return dict.fromkeys(self.ports, self.trouble) if self.trouble else {}

    def close(self, number: int) -> tuple[int, int]:
        self.ports.pop(number).close()
        return 7, 7_000

    def close_all(self) -> None:
        for number in list(self.ports):
            self.close(number)


class Bench:
    """Leases with a fake kernel and a fake node."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, trouble: str | None) -> None:
        monkeypatch.setattr(leases_module, "KernelRelay", FakeRelay)
        monkeypatch.setattr(leases_module, "try_kernel", lambda: trouble)
        self.loop = asyncio.new_event_loop()
        self.node = RecordingLeasing()
        leasing: Any = self.node
        self.underlay = Underlay()

        def act(action: Callable[[float], None]) -> None:
            action(1.0)

        self.leases = KernelLeases(leasing, self.underlay, act=act, loop=self.loop)
        self.relay: Any = self.leases._relay

    def close(self) -> None:
        self.leases.close()
        self.underlay.close()
        self.loop.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(monkeypatch, None)
    yield made
    made.close()


def test_leases_are_offered_where_the_kernel_can_do_it(bench: Bench) -> None:
    bench.loop.run_until_complete(bench.leases.offer())
    assert (bench.node.is_offered, bench.leases.trouble) == (True, None)


def test_the_reason_why_none_are_offered_is_kept_for_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, "CAP_NET_ADMIN is required")
    bench.loop.run_until_complete(bench.leases.offer())
    assert (bench.node.is_offered, bench.leases.trouble) == (False, "CAP_NET_ADMIN is required")
    bench.leases.switch_off()
    assert bench.leases.trouble == SWITCHED_OFF
    bench.close()


def test_a_lease_is_opened_read_answered_and_closed(bench: Bench) -> None:
    bench.leases.serve(LeasePortWanted(1))
    [(_, _, port)] = bench.node.told
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.setblocking(False)
        end.sendto(b"bind", ("127.0.0.1", port))
        end.sendto(b"again", ("127.0.0.1", port))

        async def answers() -> list[bytes]:
            async with asyncio.timeout(20):
                return [await bench.loop.sock_recv(end, 100) for _ in range(2)]

        assert bench.loop.run_until_complete(answers()) == [b"answer to bind", b"answer to again"]
    bench.leases.serve(LeaseOpened(1, HERE, HERE))
    bench.leases.serve(LeaseClosed(1))
    assert bench.node.told[1:] == [
        ("arrived", 1, b"bind"),
        ("arrived", 1, b"again"),
        ("passes", 1),
        ("closed", 1, 7, 7_000),
    ]


def test_what_the_host_cannot_do_is_told_to_the_node(bench: Bench) -> None:
    bench.leases.serve(LeasePortWanted(1))
    bench.relay.trouble = "no route"
    bench.leases.serve(LeasePortWanted(2))
    bench.leases.serve(LeaseOpened(1, HERE, HERE))
    bench.leases.routes_changed()
    assert bench.node.told[1:] == [("failed", number, "no route") for number in (2, 1, 1)]
