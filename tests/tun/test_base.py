from dataclasses import asdict
from pathlib import Path

import pytest

from mycelium.packet.batch import PacketBatch
from mycelium.tun.base import TunCounters, TunDevice
from mycelium.tun.linux import LinuxTun
from mycelium.tun.memory import MemoryTun


@pytest.mark.parametrize("device", [LinuxTun, MemoryTun])
def test_every_device_has_the_methods_of_the_interface(device: type) -> None:
    wanted = {name for name in vars(TunDevice) if not name.startswith("_")}
    assert wanted == {"fileno", "read_batch", "is_drained", "write", "close"}
    assert wanted <= set(dir(device))


def test_a_new_device_has_counted_nothing_and_can_be_closed_twice() -> None:
    device: TunDevice = MemoryTun()
    assert set(asdict(device.counters).values()) == {0}
    assert (device.read_batch(PacketBatch()), device.is_drained) == (0, True)
    descriptor = Path("/proc/self/fd", str(device.fileno()))
    assert descriptor.exists()
    device.close()
    device.close()
    assert not descriptor.exists()


def test_counters_are_not_shared() -> None:
    one, other = TunCounters(), TunCounters()
    one.refused += 1
    assert other.refused == 0
