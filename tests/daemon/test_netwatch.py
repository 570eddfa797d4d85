"""Netlink messages become reports: losses and gains at once, other changes together, and none is missed for want of buffers."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mycelium.daemon.host_network import ASK_FOR_ADDRESSES, HostNetwork
from mycelium.daemon.netwatch import GROUPS, NetWatch
from mycelium.endpoint import Lost
from mycelium.packet.netlink import RTM_DELADDR, RTM_NEWROUTE, messages
from tests.daemon.test_host_network import UP, V4, address, link, route
from tests.lab.waiting import PATIENCE_S
from tests.tun.test_upkeep import configured


class Netlink:
    """Stands in for the netlink socket: gives out messages, or the error that is due."""

    def __init__(self, *messages: bytes | OSError) -> None:
        self.messages = list(messages)
        self.sent: list[bytes] = []

    def recv(self, _: int) -> bytes:
        message = self.messages.pop(0) if self.messages else BlockingIOError()
        if isinstance(message, OSError):
            raise message
        return message

    def send(self, request: bytes) -> None:
        self.sent.append(request)

    def fileno(self) -> int:
        return 0


class Watched:
    """A watch on a netlink socket of the test's own, and what it reported."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.told: list[Any] = []
        self.addresses: list[Mapping[bytes, int]] = []
        self.watch = NetWatch(
            loop,
            on_loss=self.told.append,
            on_gain=lambda: self.told.append("gain"),
            on_change=lambda: self.told.append("change"),
            on_news=lambda: self.told.append("news"),
            on_addresses=self.addresses.append,
        )

    def hear(self, *messages: bytes | OSError) -> Netlink:
        own, netlink = self.watch._netlink, Netlink(*messages)
        self.watch._netlink = netlink  # type: ignore[assignment]
        self.watch._on_readable()
        self.watch._netlink = own
        return netlink


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def watched(loop: asyncio.AbstractEventLoop) -> Iterator[Watched]:
    watched = Watched(loop)
    loop.remove_reader(watched.watch._netlink.fileno())  # what the host itself tells is none of the test's
    yield watched
    if watched.watch._netlink.fileno() >= 0:
        watched.watch.close()


def run_until(loop: asyncio.AbstractEventLoop, watched: Watched, told: list[Any]) -> None:
    async def wait() -> None:
        while watched.told != told:  # noqa: ASYNC110 - a condition on a plain value, not an event
            await asyncio.sleep(0.005)

    loop.run_until_complete(asyncio.wait_for(wait(), PATIENCE_S))


def test_a_lost_carrier_is_told_at_once(watched: Watched) -> None:
    watched.hear(link(7, UP), link(7, 0))
    assert Lost(interface=7, cause="eth0 was set down") in watched.told


def test_changes_in_a_row_are_told_together(watched: Watched, loop: asyncio.AbstractEventLoop) -> None:
    for host in range(5):
        watched.hear(address(7, socket.inet_pton(socket.AF_INET, f"192.0.2.{host}")))
    assert "change" not in watched.told
    run_until(loop, watched, ["news", "gain"] * 5 + ["change"])


def test_a_route_into_the_overlay_is_news_and_no_change_of_the_network(watched: Watched) -> None:
    watched.hear(route("400::", 7))
    assert watched.told == ["news"]
    assert watched.watch._timer is None
    watched.hear(route("400::", 7), link(7, UP))
    assert watched.told == ["news", "news", "gain"]
    assert watched.watch._timer is not None


@pytest.mark.netns
def test_a_limit_of_super_packets_is_no_change_of_the_network() -> None:
    with (
        configured() as (upkeep, _, _),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink,
    ):
        netlink.bind((0, GROUPS))
        upkeep.limit_super_packets(8_750)
        netlink.setblocking(False)
        told = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(netlink.recv(65_536))
        assert {kind for data in told for kind, _, _ in messages(data)} == {RTM_NEWROUTE}
        assert all(HostNetwork().take(data) == ([], False, False) for data in told)


def test_what_the_kernel_dropped_is_asked_for_and_counts_as_a_loss_of_anything(watched: Watched) -> None:
    netlink = watched.hear(OSError("No buffer space available"))
    assert netlink.sent == [ASK_FOR_ADDRESSES]
    assert watched.told == ["news", Lost()]


def test_a_closed_watch_tells_nothing_more(watched: Watched, loop: asyncio.AbstractEventLoop) -> None:
    watched.hear(address(7, V4))
    timer = watched.watch._timer
    watched.watch.close()
    assert timer is not None
    assert timer.cancelled()


def test_the_hosts_own_addresses_are_asked_for(loop: asyncio.AbstractEventLoop) -> None:
    watched = Watched(loop)
    netlink = watched.watch._netlink
    netlink.setblocking(True)
    netlink.settimeout(PATIENCE_S)
    assert socket.inet_pton(socket.AF_INET, "127.0.0.1") in netlink.recv(65_536)
    watched.watch.close()


def test_the_addresses_are_told_whenever_they_change(watched: Watched) -> None:
    watched.hear(address(7, V4))
    assert watched.addresses[-1][V4] == 7
    told = len(watched.addresses)
    watched.hear(link(7, UP))
    assert len(watched.addresses) == told
    watched.hear(address(7, V4, RTM_DELADDR))
    assert V4 not in watched.addresses[-1]
