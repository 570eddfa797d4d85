"""Beacons on the host's interfaces, without a network: interfaces come and go, sends fail, floods are shut out."""

import asyncio
from typing import Any

import asyncio_dgram
import pytest
from asyncio_dgram.aio import TransportClosed

from mycelium.daemon import discovery
from mycelium.daemon.discovery import LanDiscovery, where_to_announce
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import BEACONS_PER_SECOND
from mycelium.transport.multicast import LINK_LOCAL, Interface
from mycelium.transport.underlay import Underlay
from mycelium.wire.beacon import BEACON_GROUP, BEACON_GROUP_IPV4
from tests.lab.waiting import PATIENCE_S

ETH = Interface(2, "eth0", BEACON_GROUP, bytes(16), LINK_LOCAL)
WLAN = Interface(3, "wlan0", BEACON_GROUP, bytes(15) + b"\1", LINK_LOCAL)


class Stream:
    """Stands in for a datagram stream of asyncio_dgram: remembers what was sent, gives out what is put into it."""

    exception = None

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self.sent: list[bytes] = []
        self.arriving: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_broken = False
        self.is_closed = False
        self.source = "fe80::1"

    async def send(self, data: bytes, _: Any) -> None:
        if self.is_broken:
            raise OSError("Network is unreachable")
        self.sent.append(data)

    async def recv(self) -> tuple[bytes, tuple[str, int, int, int]]:
        data = await self.arriving.get()
        if data is None:
            raise TransportClosed
        return data, (f"{self.source}%{self.interface.name}", 9_651, 0, self.interface.index)

    def close(self) -> None:
        self.is_closed = True
        self.arriving.put_nowait(None)


class Host:
    """The interfaces of a host, and a stream on each that was opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.interfaces = [ETH]
        self.refused: set[str] = set()
        self.streams: dict[str, Stream] = {}
        self.left: list[int] = []
        self.underlay = Underlay()
        monkeypatch.setattr(discovery, "find_interfaces", lambda groups, only: list(self.interfaces))
        monkeypatch.setattr(discovery, "open_group_socket", self._open)
        monkeypatch.setattr(discovery, "leave", lambda udp, interface: self.left.append(interface.index))
        monkeypatch.setattr(discovery, "join", lambda udp, interface: None)
        monkeypatch.setattr(asyncio_dgram, "from_socket", self._stream)
        monkeypatch.setattr(discovery, "DatagramServer", Stream)
        self.heard: list[tuple[bytes, Endpoint]] = []
        self.discovery = LanDiscovery(
            [BEACON_GROUP],
            port=9_650,
            only=(),
            beacon=lambda source: b"beacon from " + source,
            on_beacon=lambda data, endpoint: self.heard.append((data, endpoint)),
            underlay=self.underlay,
        )

    def _open(self, port: int, interface: Interface, underlay: Underlay) -> Interface:
        if interface.name in self.refused:
            raise DeviceError("udp port 9650: in use")
        return interface

    async def _stream(self, interface: Interface) -> Stream:
        return self.streams.setdefault(interface.name, Stream(interface))

    def announce(self, beacons: int) -> None:
        """Has beacons sent, and runs until as many have been sent or have failed in all."""
        asyncio.run(self._announce(beacons))

    async def _announce(self, beacons: int) -> None:
        async with self.running():
            self.discovery.announce()
            await self.until(lambda: self.attempts() >= beacons)

    def attempts(self) -> int:
        return self.discovery.counters.beacons_sent + self.discovery.counters.beacons_not_sent

    def running(self) -> "Running":
        return Running(self.discovery)

    async def until(self, is_met: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_met():  # noqa: ASYNC110 - a condition on plain values, not an event
                await asyncio.sleep(0)


class Running:
    """Runs discovery meanwhile."""

    def __init__(self, lan: LanDiscovery) -> None:
        self._lan = lan

    async def __aenter__(self) -> None:
        self._task = asyncio.ensure_future(self._lan.run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def listening(*hosts: str) -> list[Endpoint]:
    return [Endpoint("tcp", "::", 1), *(Endpoint("udp", host, 9_651 + number) for number, host in enumerate(hosts))]


def test_where_a_node_listens_says_in_which_groups_it_is_announced() -> None:
    assert where_to_announce(listening("192.0.2.1")) is None
    assert where_to_announce(listening("0.0.0.0")) == (9_651, (BEACON_GROUP_IPV4,))
    assert where_to_announce(listening("0.0.0.0", "::", "::")) == (9_652, (BEACON_GROUP, BEACON_GROUP_IPV4))


def test_a_beacon_goes_out_on_each_interface_from_its_own_address(host: Host) -> None:
    host.interfaces = [ETH, WLAN]
    host.announce(2)
    assert host.streams["eth0"].sent == [b"beacon from " + ETH.source]
    assert host.streams["wlan0"].sent == [b"beacon from " + WLAN.source]


def test_an_interface_that_cannot_be_opened_holds_up_no_other(host: Host) -> None:
    host.interfaces, host.refused = [ETH, WLAN], {"eth0"}
    host.announce(1)
    assert list(host.streams) == ["wlan0"]


def test_interfaces_that_cannot_be_listed_for_now_end_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(groups: object, only: object) -> list[Interface]:
        raise OSError(24, "Too many open files")

    async def change() -> None:
        async with host.running():
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 1)
            with monkeypatch.context() as patched:
                patched.setattr(discovery, "find_interfaces", fail)
                host.discovery.announce()
                await host.until(lambda: host.attempts() == 2)
            host.interfaces = [ETH, WLAN]
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 4)

    asyncio.run(change())
    assert caplog.messages == ["peer discovery misses changes of interfaces: Too many open files"]
    assert len(host.streams["eth0"].sent) == 3


def test_a_beacon_that_cannot_be_sent_is_counted(host: Host) -> None:
    host.streams["eth0"] = Stream(ETH)
    host.streams["eth0"].is_broken = True
    host.announce(1)
    assert host.discovery.counters.beacons_not_sent == 1


def test_a_beacon_is_handed_on_with_where_it_came_from(host: Host) -> None:
    async def hear() -> None:
        async with host.running():
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 1)
            host.streams["eth0"].arriving.put_nowait(b"hello")
            await host.until(lambda: host.heard)

    asyncio.run(hear())
    assert host.heard == [(b"hello", Endpoint("udp", "fe80::1", 9_651, ETH.index))]


def test_a_beacon_from_beyond_the_link_is_counted_and_dropped(host: Host) -> None:
    async def hear() -> None:
        async with host.running():
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 1)
            host.streams["eth0"].source = "2001:db8::1"
            host.streams["eth0"].arriving.put_nowait(b"hello")
            await host.until(lambda: host.discovery.counters.beacons_from_afar)

    asyncio.run(hear())
    assert host.heard == []


def test_an_interface_that_went_is_left_and_one_that_came_is_used(host: Host) -> None:
    async def change() -> None:
        async with host.running():
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 1)
            host.interfaces = [WLAN]
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 2)
            assert host.streams["eth0"].is_closed
            assert not host.streams["wlan0"].is_closed

    asyncio.run(change())
    assert (len(host.streams["eth0"].sent), len(host.streams["wlan0"].sent)) == (1, 1)


def test_a_flood_makes_an_interface_deaf(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "monotonic", lambda: 100.0)  # however long this machine takes to read them

    async def flood() -> None:
        async with host.running():
            host.discovery.announce()
            await host.until(lambda: host.attempts() == 1)
            for _ in range(3 * BEACONS_PER_SECOND):
                host.streams["eth0"].arriving.put_nowait(b"hello")
            await host.until(lambda: host.discovery.counters.beacons_deaf)

    asyncio.run(flood())
    assert len(host.heard) == BEACONS_PER_SECOND
    assert host.left == [ETH.index]
