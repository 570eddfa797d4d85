"""A router's announcements to all hosts, over loopback."""

import asyncio
import socket

import pytest

from mycelium.daemon import router_news
from mycelium.daemon.router_news import restarted
from mycelium.packet.router_epoch import ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT, RouterEpoch
from tests.lab.waiting import PATIENCE_S

ROUTER = "127.0.0.1"
AGAIN_S = 0.02
QUIET_S = 0.4  # for which no news is none


def announcement(epoch: int) -> bytes:
    return b"\x02\x80" + bytes(6) + epoch.to_bytes(4, "big") + bytes(12)


def sender() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ROUTER))
    opened.bind((ROUTER, 0))
    return opened


async def is_news(
    epoch: RouterEpoch, router_port: int, sent: list[tuple[socket.socket, bytes]], *, within_s: float
) -> bool:
    """Tells whether the router is found to have restarted while these datagrams are sent, again and again."""
    hearing = asyncio.ensure_future(restarted(ROUTER, epoch, router_port=router_port))
    try:
        for _ in range(round(within_s / AGAIN_S)):
            for one, data in sent:
                one.sendto(data, (ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT))
            await asyncio.wait([hearing], timeout=AGAIN_S)
            if hearing.done():
                await hearing
                return True
        return False
    finally:
        hearing.cancel()


def test_only_the_router_is_heard_and_only_its_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_news, "PACE_S", 0.0)
    monkeypatch.setattr(router_news, "monotonic", lambda: 100.0)  # an epoch that stands still for long is one restarted
    epoch = RouterEpoch()
    with sender() as router, sender() as other:
        port = router.getsockname()[1]

        async def heard() -> list[bool]:
            return [
                await is_news(epoch, port, [(other, announcement(5)), (router, b"junk")], within_s=QUIET_S),
                await is_news(epoch, port, [(router, announcement(5))], within_s=PATIENCE_S),
                await is_news(epoch, port, [(router, announcement(5))], within_s=QUIET_S),
                await is_news(epoch, port, [(router, announcement(5_000))], within_s=PATIENCE_S),
            ]

        assert asyncio.run(heard()) == [False, True, False, True]


def test_where_nothing_can_be_heard_nothing_is_news() -> None:
    async def waited() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await restarted("not an address", RouterEpoch())

    asyncio.run(waited())
