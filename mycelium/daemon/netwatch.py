"""Tells when this host's addresses, routes or links have changed, and at once when it has lost one.

A bare netlink socket, without the library that knows all of it: what little is wanted is read in `daemon.host_network`.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final

from mycelium.daemon.host_network import ASK_FOR_ADDRESSES, HostNetwork
from mycelium.endpoint import Lost

RTMGRP_LINK: Final = 0x1
RTMGRP_IPV4_IFADDR: Final = 0x10
RTMGRP_IPV4_ROUTE: Final = 0x40
RTMGRP_IPV6_IFADDR: Final = 0x100
RTMGRP_IPV6_ROUTE: Final = 0x400
RTMGRP_IPV4_RULE: Final = 0x80
RTMGRP_IPV6_RULE: Final = 0x4_0000
GROUPS: Final = (RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR) | (
    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | RTMGRP_IPV6_RULE
)
SETTLE_S: Final = 0.05  # changes come in bursts: one report for those that follow one another
PAUSE_S: Final = 1.0  # between reports


class NetWatch:
    """Calls `on_loss` with each loss, `on_gain` and `on_news` as they are told, and `on_change` at most once in PAUSE_S.

    News are all changes, whatever they are. `on_addresses` is called with the interface of each address whenever these change.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_loss: Callable[[Lost], None],
        on_gain: Callable[[], None],
        on_change: Callable[[], None],
        on_news: Callable[[], None],
        on_addresses: Callable[[Mapping[bytes, int]], None],
    ) -> None:
        self._loop = loop
        self._on_loss = on_loss
        self._on_gain = on_gain
        self._on_change = on_change
        self._on_news = on_news
        self._on_addresses = on_addresses
        self._told: dict[bytes, int] = {}
        self._network = HostNetwork()
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._netlink.bind((0, GROUPS))
        self._netlink.send(ASK_FOR_ADDRESSES)
        loop.add_reader(self._netlink.fileno(), self._on_readable)

    def close(self) -> None:
        """Stops watching."""
        self._loop.remove_reader(self._netlink.fileno())
        self._netlink.close()
        if self._timer is not None:
            self._timer.cancel()

    def _on_readable(self) -> None:
        has_gained = has_changed = has_news = False
        losses: dict[Lost, None] = {}
        try:
            while data := self._netlink.recv(65_536):
                news, has_news = self._network.take(data), True
                losses.update(dict.fromkeys(news.losses))
                has_gained |= news.has_gained
                has_changed |= news.has_changed
        except BlockingIOError:
            pass
        except OSError:  # ENOBUFS: so much changed that the kernel dropped the messages
            self._netlink.send(ASK_FOR_ADDRESSES)
            losses[Lost()] = None
            has_changed = has_news = True
        if self._network.interfaces != self._told:
            self._told = dict(self._network.interfaces)
            self._on_addresses(self._told)
        if has_news:
            self._on_news()
        for loss in losses:
            self._on_loss(loss)
        if has_gained:
            self._on_gain()
        if has_changed and self._timer is None:
            wait = max(SETTLE_S, self._not_before - self._loop.time())
            self._timer = self._loop.call_later(wait, self._report)

    def _report(self) -> None:
        self._timer = None
        self._not_before = self._loop.time() + PAUSE_S
        self._on_change()
