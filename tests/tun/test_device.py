"""The TUN device, made by pytun and without it."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Iterator

import pytest

from mycelium.errors import DeviceError
from mycelium.packet.batch import PacketBatch
from mycelium.tun.device import create_device
from mycelium.tun.linux import LinuxTun
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.packet.packets import udp_packet
from tests.tun.support import LEFT, RIGHT, bring_up


@pytest.fixture
def host() -> Iterator[LabHost]:
    with Lab() as lab:
        yield lab.add_hosts("h")[0]


@pytest.fixture
def _without_pytun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytun", None)


@pytest.mark.netns
@pytest.mark.usefixtures("_without_pytun")
def test_packets_cross_a_device_that_was_made_without_pytun(host: LabHost) -> None:
    side = bring_up(host, LEFT)
    assert "pytun" not in type(side.tun._handle).__module__
    assert (side.tun.name, side.tun._takes_udp_super_packets) == ("mesh0", True)
    with host.entered():
        sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with sender:
        sender.sendto(b"out", (RIGHT, 5201))
    batch = PacketBatch()

    def read() -> list[bytes]:
        side.tun.read_batch(batch)
        return [bytes(batch.buffer[start:end]) for start, end, _, _ in batch.slots]

    wait_until(lambda: any(packet.endswith(b"out") for packet in read()), PATIENCE_S, "the packet is read")
    with host.entered():
        receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with receiver:
        receiver.bind((LEFT, 5201))
        receiver.setblocking(False)
        addresses = socket.inet_pton(socket.AF_INET6, RIGHT) + socket.inet_pton(socket.AF_INET6, LEFT)

        def is_received() -> bool:
            side.tun.write([(memoryview(udp_packet(b"in", partial=False, addresses=addresses)), 0, 0)])
            with contextlib.suppress(BlockingIOError):
                return receiver.recv(100) == b"in"
            return False

        wait_until(is_received, PATIENCE_S, "the packet is delivered")
    assert not os.get_inheritable(side.tun.fileno())
    side.tun.close()
    assert not host.has_interface("mesh0")


@pytest.mark.netns
@pytest.mark.usefixtures("_without_pytun")
def test_errors_are_the_same_without_pytun(host: LabHost) -> None:
    with host.entered():
        held = create_device("")  # the kernel chooses
        assert held.name.startswith("tun")
        with pytest.raises(DeviceError, match=f"{held.name} already exists: is another mycelium running"):
            LinuxTun.open(held.name)
        with pytest.raises(DeviceError, match="rejects 'much/too'"):
            LinuxTun.open("much/too")
        held.close()


@pytest.mark.usefixtures("_without_pytun")
def test_a_missing_device_node_is_the_same_error_without_pytun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.tun.device._CLONE_DEVICE", "/nowhere/tun")
    with pytest.raises(OSError, match="No such file") as caught:
        create_device("mesh0")
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(DeviceError, match="/dev/net/tun is missing"):
        LinuxTun.open("mesh0")


def test_the_flags_are_pytuns() -> None:
    pytun = pytest.importorskip("pytun")
    from mycelium.tun import device

    names = ("IFF_TUN", "IFF_NO_PI", "IFF_VNET_HDR", "IFF_TUN_EXCL")
    assert [getattr(device, f"_{name}") for name in names] == [getattr(pytun, name) for name in names]
