"""What keeps a mapped port: the first protocol that works, renewed in time, asked anew when the network changes, given back."""

import asyncio
from collections.abc import Callable

import pytest

from mycelium.daemon import port_mapper
from mycelium.daemon.gateway import Gateway
from mycelium.daemon.port_mapper import LIFETIME_S, NO_NAT, NO_ROUTER, OFF, SHORTEST_S, PortMapper
from mycelium.daemon.port_protocols import MappingProtocol
from mycelium.errors import MappingRefused
from mycelium.packet.port_mapping import PortMapping
from mycelium.packet.router_epoch import RouterEpoch
from mycelium.wire.underlay_address import UnderlayAddress

HOME = Gateway("10.0.1.1", "10.0.1.2")
OUTSIDE = PortMapping("11.0.1.2", 9651, 600)


class Stub:
    """A protocol that answers as it is told."""

    def __init__(self, name: str, answer: PortMapping | Exception) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[int] = []
        self.given_back = 0
        self.on_asked: Callable[[], None] = lambda: None

    async def ask(self, lifetime_s: int) -> PortMapping:
        self.asked.append(lifetime_s)
        self.on_asked()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def give_back(self) -> None:
        self.given_back += 1


class Bench:
    """A mapper whose router can be changed."""

    def __init__(self, *stubs: Stub, gateway: Gateway | None = HOME) -> None:
        self.gateway = gateway
        self.mapped: list[UnderlayAddress] = []
        self.fresh = 0
        self._stubs = stubs
        self.router_restarts = asyncio.Event()
        self.mapper = PortMapper(
            find=lambda: self.gateway,
            protocols=self._protocols,
            on_mapped=self._on_mapped,
            restarted=self._restarted,
        )

    async def _restarted(self, router: str, epoch: RouterEpoch) -> None:
        assert router == HOME.host
        await self.router_restarts.wait()

    def _protocols(self, gateway: Gateway) -> list[MappingProtocol]:
        self.fresh += 1
        return list(self._stubs)

    def _on_mapped(self, addresses: list[UnderlayAddress]) -> None:
        self.mapped = addresses

    async def ask(self) -> float:
        """Asks once, as `run` does."""
        return await self.mapper._keep()


def test_the_first_protocol_that_works_is_taken() -> None:
    silent, refusing = Stub("PCP", TimeoutError()), Stub("NAT-PMP", MappingRefused("no room"))
    working, spare = Stub("UPnP", OUTSIDE), Stub("other", OUTSIDE)
    bench = Bench(silent, refusing, working, spare)
    assert asyncio.run(bench.ask()) == 300
    assert bench.mapped == [UnderlayAddress("11.0.1.2", 9651)]
    assert bench.mapper.state == "11.0.1.2:9651, by UPnP at the router 10.0.1.1"
    assert (silent.asked, refusing.asked, working.asked, spare.asked) == ([LIFETIME_S], [LIFETIME_S], [LIFETIME_S], [])


def test_a_mapping_is_renewed_in_the_protocol_that_has_it_and_not_too_often() -> None:
    working = Stub("PCP", OUTSIDE._replace(lifetime_s=10))
    bench = Bench(working)
    assert [asyncio.run(bench.ask()) for _ in range(3)] == [SHORTEST_S] * 3
    assert len(working.asked) == 3
    working.answer = TimeoutError()
    asyncio.run(bench.ask())
    assert len(working.asked) == 5  # to renew it, and afresh
    assert bench.mapped == []


def test_another_router_is_asked_afresh() -> None:
    working = Stub("PCP", OUTSIDE)
    bench = Bench(working)
    asyncio.run(bench.ask())
    bench.gateway = Gateway("10.0.2.1", "10.0.2.2")
    asyncio.run(bench.ask())
    assert len(working.asked) == 2
    assert "10.0.2.1" in bench.mapper.state


def test_why_there_is_no_mapping_is_told() -> None:
    for stubs, said in (
        ([Stub("PCP", TimeoutError())], "none: the router 10.0.1.1 does not answer to PCP, NAT-PMP or UPnP"),
        ([Stub("PCP", MappingRefused("no room"))], "none: the router 10.0.1.1 maps no port (PCP: no room)"),
    ):
        bench = Bench(*stubs)
        asyncio.run(bench.ask())
        assert bench.mapper.state == said


@pytest.mark.parametrize(
    ("gateway", "state"), [(None, NO_ROUTER), (Gateway("11.0.1.1", "11.0.1.2"), NO_NAT)], ids=["no router", "no NAT"]
)
def test_nobody_is_asked_where_it_is_no_use(gateway: Gateway | None, state: str) -> None:
    bench = Bench(Stub("PCP", OUTSIDE), gateway=gateway)
    assert asyncio.run(bench.ask()) == float("inf")
    assert (bench.mapper.state, bench.fresh, bench.mapped) == (state, 0, [])


@pytest.mark.parametrize("host", ["192.168.1.7", "100.64.0.3", "0.0.0.0", "127.0.0.1"])
def test_an_address_that_nobody_reaches_is_given_back(host: str) -> None:
    useless = Stub("PCP", OUTSIDE._replace(host=host))
    bench = Bench(useless)
    asyncio.run(bench.ask())
    assert (bench.mapped, useless.given_back) == ([], 1)
    assert "another NAT" in bench.mapper.state


def test_changes_of_the_network_have_it_asked_anew_and_the_end_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_mapper, "PAUSE_S", 0.0)
    working = Stub("PCP", OUTSIDE)
    bench = Bench(working)

    async def live() -> None:
        third = asyncio.Event()

        def on_asked() -> None:
            bench.mapper.network_changed()
            if len(working.asked) == 3:
                third.set()

        working.on_asked = on_asked
        running = asyncio.ensure_future(bench.mapper.run())
        async with asyncio.timeout(20):
            await third.wait()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(live())
    assert working.given_back == 1


def test_a_router_that_has_lost_its_mappings_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_mapper, "PAUSE_S", 0.0)
    working = Stub("PCP", OUTSIDE)
    bench = Bench(working)

    async def live() -> None:
        asked = asyncio.Event()
        working.on_asked = asked.set
        running = asyncio.ensure_future(bench.mapper.run())
        async with asyncio.timeout(20):
            await asked.wait()
            asked.clear()
            bench.router_restarts.set()
            await asked.wait()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(live())


def test_one_that_is_off_asks_nobody() -> None:
    working = Stub("PCP", OUTSIDE)
    bench = Bench(working)
    bench.mapper.switch_off(OFF)
    asyncio.run(bench.mapper.run())
    assert (bench.mapper.state, working.asked, working.given_back) == (OFF, [], 0)
