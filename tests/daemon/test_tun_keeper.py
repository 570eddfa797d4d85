"""Looking after a TUN device: what is told to the node and the operator, and how often a repair is tried."""

import asyncio
import logging

import pytest

from mycelium.daemon.tun_keeper import LEAST_WAIT_S, LONGEST_WAIT_S, NodePassage, TunKeeper
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import TUN_REPAIRS_AT_ONCE, TUN_REPAIRS_PER_SECOND
from mycelium.transport.memory import MemoryHub
from mycelium.transport.underlay import Underlay
from mycelium.tun.upkeep import Fault
from tests.daemon.test_driver import Host, WatchedTun, stop, until

LOST = Fault("has lost its address")
SLOW = Fault("has a queue length of 7, not 1000", stops=False)
AGAIN = "the TUN device mesh0 has lost its address, again and again: does another program manage it?"


class FakeDevice:
    """A device with a fault that a repair ends, unless there is a reason why not."""

    def __init__(self) -> None:
        self.name = "mesh0"
        self.wrong: Fault | None = None
        self.reason: Exception | None = None
        self.repairs = 0
        self.is_configured = False
        self.longest = 0

    def configure(self) -> None:
        self.is_configured = True

    def fault(self) -> Fault | None:
        return self.wrong

    def limit_super_packets(self, longest: int) -> None:
        if self.reason is not None:
            raise self.reason
        self.longest = longest

    def repair(self, fault: Fault) -> None:
        self.repairs += 1
        if self.reason is not None:
            raise self.reason
        self.wrong = None


class Told:
    """A passage that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def close(self) -> None:
        self.told.append("close")

    def open(self) -> None:
        self.told.append("open")

    def withdraw(self) -> None:
        self.told.append("withdraw")


class Kept:
    """A keeper with a clock of its own."""

    def __init__(self) -> None:
        self.now = 100.0
        self.device = FakeDevice()
        self.passage = Told()
        self.keeper = TunKeeper(self.device, self.passage, clock=lambda: self.now)

    def breaks(self, fault: Fault, reason: Exception | None = None) -> float | None:
        self.device.wrong, self.device.reason = fault, reason
        return self.keeper.keep()


@pytest.fixture
def kept(caplog: pytest.LogCaptureFixture) -> Kept:
    caplog.set_level(logging.INFO)
    return Kept()


def test_a_new_device_is_configured(kept: Kept) -> None:
    kept.keeper.start()
    assert kept.device.is_configured
    assert kept.keeper.name == "mesh0"


def test_super_packets_are_limited_and_the_device_is_looked_at_where_that_fails(kept: Kept) -> None:
    kept.keeper.limit_super_packets(8_750)
    assert kept.device.longest == 8_750

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(kept.keeper.run())
            kept.device.wrong = SLOW
            await until(lambda: kept.device.repairs == 1)  # by the look at the start
            kept.device.reason = OSError("No such device")
            kept.keeper.limit_super_packets(6_000)
            kept.device.reason, kept.device.wrong = None, SLOW
            await until(lambda: kept.device.repairs == 2)
            running.cancel()

    asyncio.run(run())


class WatchedUnderlay(Underlay):
    """Remembers which device it was told of."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def follow(self, tun: str) -> None:
        self.told.append(tun)

    def routes_changed(self) -> None:
        self.told.append("routes")


def test_the_passage_of_a_node_takes_the_device_out_of_use_and_tells_others() -> None:
    async def run() -> None:
        tun, underlay = WatchedTun(), WatchedUnderlay()
        one = Host([MemoryHub().open("a")], Endpoint("memory", "b", 9651), asyncio.get_running_loop(), tun)
        one.driver.start()
        passage = NodePassage(one.node, one.driver, tun, underlay)
        passage.close()
        assert not one.node.receiving.has_device
        tun.send(b"\x60" + bytes(59))
        for _ in range(3):
            await asyncio.sleep(0)
        assert tun.read_at == []
        passage.withdraw()
        assert one.node.routing._advertiser.withdrawn is not None
        passage.open()
        assert one.node.receiving.has_device
        assert one.node.routing._advertiser.withdrawn is None
        assert underlay.told == [tun.name, "routes"]
        await until(lambda: bool(tun.read_at))
        stop(one)

    asyncio.run(run())


def test_a_fault_is_repaired_and_nobody_beyond_this_host_is_told(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    assert kept.breaks(LOST) is None
    assert kept.passage.told == ["close", "open"]
    assert caplog.messages == [
        "the TUN device mesh0 has lost its address; it is being repaired",
        "the TUN device mesh0 is as it was",
    ]
    assert kept.keeper.keep() is None
    assert kept.device.repairs == 1


def test_a_fault_that_stops_no_packet_stops_none_while_it_is_repaired(kept: Kept) -> None:
    assert kept.breaks(SLOW) is None
    assert kept.breaks(SLOW, DeviceError("no permission")) == LEAST_WAIT_S
    assert kept.passage.told == []
    assert kept.keeper.trouble == "no permission"


def test_what_cannot_be_repaired_is_said_once_and_the_node_withdrawn_until_it_can(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    waits = [kept.breaks(LOST, DeviceError("no permission"))]
    for _ in range(8):
        kept.now += 60
        waits.append(kept.keeper.keep())
    assert waits == [min(LEAST_WAIT_S * 2**n, LONGEST_WAIT_S) for n in range(9)]
    assert caplog.messages[1:] == ["no permission; others are told that this node can't be reached"]
    assert set(kept.passage.told) == {"close", "withdraw"}
    kept.now += 60
    kept.device.reason = None
    assert kept.keeper.keep() is None
    assert kept.passage.told[-1] == "open"
    assert kept.keeper.trouble is None
    assert caplog.messages[2:] == ["the TUN device mesh0 is as it was"]


def test_a_fault_that_outlives_its_repair_is_a_failure(kept: Kept) -> None:
    kept.device.repair = lambda fault: None  # type: ignore[method-assign]
    assert kept.breaks(LOST) == LEAST_WAIT_S
    assert kept.keeper.trouble == "the TUN device mesh0 has lost its address, although it was repaired"


def test_a_device_that_cannot_be_looked_at_is_trouble_and_stays_in_use(kept: Kept) -> None:
    def fail() -> Fault | None:
        raise OSError(24, "Too many open files")

    kept.device.fault = fail  # type: ignore[method-assign]
    assert kept.keeper.keep() == LEAST_WAIT_S
    assert kept.passage.told == []
    assert kept.keeper.trouble == "the TUN device mesh0 can't be looked at: Too many open files"


def test_a_program_that_undoes_every_repair_costs_a_bounded_number_of_repairs_and_lines(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(600):  # ten minutes
        kept.breaks(LOST)
        kept.now += 1
    assert kept.device.repairs <= TUN_REPAIRS_AT_ONCE + 600 * TUN_REPAIRS_PER_SECOND + 1
    assert kept.device.repairs >= 600 * TUN_REPAIRS_PER_SECOND
    assert len(caplog.messages) <= 3 * kept.device.repairs
    assert AGAIN + "; others are told that this node can't be reached" in caplog.messages


def test_a_device_with_another_name_is_kept_under_that(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    def rename() -> Fault | None:
        kept.device.name = "other"
        return None

    kept.device.fault = rename  # type: ignore[method-assign]
    assert kept.keeper.keep() is None
    assert caplog.messages == ["the TUN device mesh0 is called other now"]


def test_a_device_that_can_no_longer_be_read_is_out_of_use_at_once(kept: Kept) -> None:
    kept.keeper.lost()
    kept.keeper.lost()
    assert kept.passage.told == ["close"]


def test_news_have_it_looked_at_and_a_failure_has_it_tried_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.daemon.tun_keeper.LEAST_WAIT_S", 0.01)
    kept.keeper._backoff.wait = 0.02

    async def breakage() -> None:
        kept.device.wrong, kept.device.reason = LOST, DeviceError("no permission")
        await until(lambda: kept.device.repairs >= 3)
        kept.device.reason = None
        await until(lambda: kept.passage.told[-1] == "open")
        repairs = kept.device.repairs
        kept.device.wrong = LOST
        kept.keeper.look()
        await until(lambda: kept.device.repairs == repairs + 1)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(kept.keeper.run())
            await breakage()
            running.cancel()

    asyncio.run(run())
