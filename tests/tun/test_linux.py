"""The real TUN device, in network namespaces: two hosts whose devices this process joins by hand."""

import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from mycelium import timing
from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_CWR, SUPER_TCP, SUPER_UDP, Delivery, PacketBatch
from mycelium.packet.ipv6 import HEADER_BYTES, UDP, has_valid_checksum
from mycelium.tun.linux import LinuxTun
from mycelium.tun.netlink import configure
from tests.lab.laboratory import Lab
from tests.lab.namespaces import LabHost
from tests.lab.waiting import wait_until
from tests.packet.packets import tcp_packet, udp_packet
from tests.support.checksums import complete_checksum
from tests.tun.support import LEFT, RIGHT, Side, bring_up

ROOT = Path(__file__).parents[2]
RIGHT_TO_LEFT = socket.inet_pton(socket.AF_INET6, RIGHT) + socket.inet_pton(socket.AF_INET6, LEFT)
LEFT_TO_RIGHT = RIGHT_TO_LEFT[16:] + RIGHT_TO_LEFT[:16]
PORT = 5201
UDP_SEGMENT, SOL_UDP = 103, 17
WAIT_SECONDS = 20.0
READY = b"ready?"


@pytest.fixture
def sides() -> Iterator[tuple[Side, Side]]:
    with Lab() as lab:
        left, right = (
            bring_up(host, address) for host, address in zip(lab.add_hosts("lr"), (LEFT, RIGHT), strict=True)
        )
        yield left, right
        left.tun.close()
        right.tun.close()


def udp_socket(host: LabHost, address: str) -> socket.socket:
    with host.entered():
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((address, PORT))
    made.settimeout(WAIT_SECONDS)
    return made


def read_some(tun: LinuxTun) -> list[Delivery]:
    """Returns what the device has to read, waiting for the first packet."""
    batch = PacketBatch()
    while not tun.read_batch(batch):
        assert select.select([tun], [], [], WAIT_SECONDS)[0], "nothing to read"
    return [(batch.buffer[start:end], flags, size) for start, end, flags, size in batch.slots]


def read_udp(tun: LinuxTun) -> Delivery:
    """Returns the first datagram that the device has to read, past what the kernel says of the new interface."""
    while True:
        for item in read_some(tun):
            if item[0][6] == UDP:
                return item


def read_all(tun: LinuxTun) -> list[Delivery]:
    """Returns copies of all that the device has to read, waiting for the first packet."""
    items: list[Delivery] = []
    while not items or not tun.is_drained:
        items += [(memoryview(bytes(packet)), flags, size) for packet, flags, size in read_some(tun)]
    return items


@pytest.mark.netns
def test_tcp_crosses_in_super_packets_of_60_kilobytes(sides: tuple[Side, Side]) -> None:
    left, right = sides
    data = os.urandom(1 << 20) * 4
    with right.host.entered():
        listener = socket.create_server((RIGHT, PORT), family=socket.AF_INET6)
    with left.host.entered():
        sender = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sender.setblocking(False)
    sender.connect_ex((RIGHT, PORT))
    received, largest, writes = transfer(left.tun, right.tun, listener, sender, data)
    sender.close()
    listener.close()
    assert received == data
    assert 60_000 <= largest[0] <= GSO_BYTES + 1_000
    assert largest[1] == SUPER_TCP | PARTIAL_CHECKSUM
    assert largest[2] > 1_000
    assert right.tun.counters.refused == left.tun.counters.refused == 0
    assert writes < len(data) / 10_000


def transfer(
    left: LinuxTun, right: LinuxTun, listener: socket.socket, sender: socket.socket, data: bytes
) -> tuple[bytes, tuple[int, int, int], int]:
    """Carries packets between the devices until all of `data` has come; returns it, the largest packet seen, the writes."""
    batch, received, sent = PacketBatch(), bytearray(), 0
    largest = (0, 0, 0)
    receiver: socket.socket | None = None
    while len(received) < len(data):
        writers = [sender] if sent < len(data) else []
        readers: list[Any] = [left, right, receiver or listener]
        readable, writable, _ = select.select(readers, writers, [], WAIT_SECONDS)
        assert readable or writable, "the transfer has stalled"
        if writable:
            sent += sender.send(data[sent : sent + (1 << 20)])
        if listener in readable:
            receiver, _ = listener.accept()
        elif receiver in readable and receiver is not None:
            received += receiver.recv(1 << 20)
        for source, target in ((left, right), (right, left)):
            if source.read_batch(batch):
                largest = max(largest, *((end - start, flags, size) for start, end, flags, size in batch.slots))
                target.write([(batch.buffer[start:end], flags, size) for start, end, flags, size in batch.slots])
    if receiver is not None:
        receiver.close()
    return bytes(received), largest, right.counters.writes


@pytest.mark.netns
@pytest.mark.parametrize("as_one", [True, False], ids=["run of packets", "super-packet"])
@pytest.mark.parametrize("udp_super_packets", [True, False], ids=["kernel cuts", "we cut"])
def test_a_udp_run_is_received_as_separate_datagrams(host: LabHost, as_one: bool, udp_super_packets: bool) -> None:
    tun = bring_up(host, LEFT, udp_super_packets=udp_super_packets).tun
    payloads = [bytes((number,)) * 100 for number in range(9)] + [b"the last is short"]
    whole = udp_packet(b"".join(payloads), addresses=RIGHT_TO_LEFT)
    packets = [udp_packet(payload, addresses=RIGHT_TO_LEFT) for payload in payloads]
    with udp_socket(host, LEFT) as receiver:
        wait_until_delivered(tun, receiver)
        before = tun.counters.writes
        if as_one:
            tun.write([(memoryview(whole), SUPER_UDP | PARTIAL_CHECKSUM, 100)])
        else:
            tun.write([(memoryview(packet), PARTIAL_CHECKSUM, 0) for packet in packets])
        assert [receive(receiver) for _ in payloads] == payloads
    assert tun.counters.writes - before == (1 if udp_super_packets else len(payloads))
    tun.close()


@pytest.mark.netns
def test_datagrams_that_wait_together_cross_as_one_and_arrive_apart(sides: tuple[Side, Side]) -> None:
    left, right = sides
    payloads = [bytes((number,)) * 100 for number in range(9)] + [b"another length"]
    with udp_socket(right.host, RIGHT) as receiver, udp_socket(left.host, LEFT) as sender:
        for payload in payloads:
            sender.sendto(payload, (RIGHT, PORT))
        packets = [item for item in read_all(left.tun) if item[0][6] == UDP]
        wait_until_delivered(right.tun, receiver, LEFT_TO_RIGHT)
        before = right.tun.counters.writes
        right.tun.write(packets)
        assert [receive(receiver) for _ in payloads] == payloads
    assert [(len(packet), size) for packet, _, size in packets] == [(948, 100), (62, 0)]
    assert right.tun.counters.writes == before + 1


def wait_until_delivered(tun: LinuxTun, receiver: socket.socket, addresses: bytes = RIGHT_TO_LEFT) -> None:
    """Waits until the kernel, which takes its time to bring an interface up, delivers what is written."""

    def is_delivered() -> bool:
        tun.write([(memoryview(udp_packet(READY, addresses=addresses)), PARTIAL_CHECKSUM, 0)])
        return bool(select.select([receiver], [], [], 0.2)[0])

    wait_until(is_delivered, WAIT_SECONDS, "a datagram is delivered")


def receive(receiver: socket.socket) -> bytes:
    """Returns the next datagram, past those that were to show that the interface is up."""
    while (data := receiver.recv(2_000)) == READY:
        pass
    return data


@pytest.mark.netns
def test_a_udp_super_packet_is_read_whole(side: Side) -> None:
    with udp_socket(side.host, LEFT) as sender:
        sender.sendmsg([bytes(12_050)], [(SOL_UDP, UDP_SEGMENT, struct.pack("H", 1_200))], 0, (RIGHT, PORT))
    packet, flags, size = read_udp(side.tun)
    assert (len(packet), flags, size) == (HEADER_BYTES + 8 + 12_050, SUPER_UDP | PARTIAL_CHECKSUM, 1_200)


@pytest.mark.netns
def test_a_lone_datagram_comes_with_a_partial_checksum_that_can_be_completed(side: Side) -> None:
    with udp_socket(side.host, LEFT) as sender:
        sender.sendto(b"hello", (RIGHT, PORT))
    packet, flags, size = read_udp(side.tun)
    assert (bytes(packet[HEADER_BYTES + 8 :]), flags, size) == (b"hello", PARTIAL_CHECKSUM, 0)
    assert not has_valid_checksum(packet, UDP, HEADER_BYTES)
    complete_checksum(packet)
    assert has_valid_checksum(packet, UDP, HEADER_BYTES)


@pytest.mark.netns
def test_a_packet_after_a_silence_is_returned_before_more_are_looked_for(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = PacketBatch()
    seen: list[list[tuple[int, bool]]] = []

    def is_seen() -> bool:
        """Tells how bursts are read; the kernel may say something of the new interface between them."""
        seen.clear()
        for at_once, silence_s in ((2, inf), (1, 0.0), (2, 0.0), (2, inf)):
            for _ in range(at_once):
                sender.sendto(b"hello", (RIGHT, PORT))
            monkeypatch.setattr(timing, "SILENCE_S", silence_s)
            reads = [(side.tun.read_batch(batch), side.tun.is_drained)]
            monkeypatch.setattr(timing, "SILENCE_S", inf)
            while reads[-1][0]:
                reads.append((side.tun.read_batch(batch), side.tun.is_drained))
            seen.append(reads)
        end = (0, True)
        return seen[1:] == [[(1, True), end], [(1, True), (1, True), end], [(2, True), end]]

    with udp_socket(side.host, LEFT) as sender:
        wait_until(is_seen, WAIT_SECONDS, lambda: f"one is read by itself first: {seen}")


@pytest.mark.netns
def test_ipv4_is_dropped_and_counted(side: Side) -> None:
    side.host.ip("address add 10.9.9.1/24 dev mesh0")
    with side.host.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        sender.sendto(b"old", ("10.9.9.2", PORT))
    batch = PacketBatch()

    def is_dropped() -> bool:
        side.tun.read_batch(batch)
        assert all(batch.buffer[start] >> 4 == 6 for start, _, _, _ in batch.slots)
        return side.tun.counters.not_ipv6 == 1

    wait_until(is_dropped, WAIT_SECONDS, "it is counted, be it behind what the kernel says of the new interface")


@pytest.mark.netns
def test_hostile_and_refused_packets_are_dropped_and_counted(side: Side) -> None:
    hostile: list[Delivery] = [
        (memoryview(udp_packet(b"data")), SUPER_TCP | PARTIAL_CHECKSUM, 2),
        (memoryview(tcp_packet(b"data")), SUPER_CWR, 0),
        (memoryview(b"\x45" + bytes(40)), 0, 0),
        (memoryview(b""), 0, 0),
    ]
    for delivery in hostile:
        side.tun.write([delivery])
    side.tun.write(hostile)
    side.host.ip("link set mesh0 down")
    side.tun.write([(memoryview(udp_packet(b"data")), PARTIAL_CHECKSUM, 0)])
    assert (side.tun.counters.malformed, side.tun.counters.refused) == (2 * len(hostile), 1)


@pytest.mark.netns
def test_the_device_and_its_routes_are_gone_after_close(side: Side) -> None:
    side.tun.close()
    side.tun.close()
    assert not side.host.has_interface("mesh0")
    assert side.host.run("ip", "-6", "route").stdout == ""


CHILD = """
import subprocess, sys
from mycelium.tun.linux import LinuxTun
tun = LinuxTun.open("mesh0")
sleeper = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
print(sleeper.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.netns
def test_the_device_is_gone_after_kill_9_though_a_child_lives_on(host: LabHost) -> None:
    child = start_child(host)
    assert child.stdout is not None
    sleeper = Path("/proc", child.stdout.readline().strip())
    assert host.has_interface("mesh0")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not host.has_interface("mesh0")
    assert (sleeper / "comm").read_text() == "sleep\n"


def start_child(host: LabHost) -> Any:
    return host.start(sys.executable, "-c", CHILD, cwd=ROOT, stdin=-1, stdout=-1)


@pytest.mark.netns
def test_reading_a_removed_device_is_a_clear_error(side: Side) -> None:
    side.host.ip("link del mesh0")
    with pytest.raises(DeviceError, match="mesh0 was removed"):
        side.tun.read_batch(PacketBatch())


@pytest.mark.netns
def test_a_removed_device_is_opened_again_with_its_counters(side: Side) -> None:
    tun, counters = side.tun, side.tun.counters
    assert not tun.is_removed()
    side.host.ip("link del mesh0")
    assert tun.is_removed()
    with side.host.entered():
        tun.reopen()
        configure("mesh0", LEFT)
    assert not tun.is_removed()
    assert tun.counters is counters
    with udp_socket(side.host, LEFT) as sender:
        sender.sendto(b"hello", (RIGHT, PORT))
    assert bytes(read_udp(tun)[0]).endswith(b"hello")


@pytest.mark.netns
def test_a_name_in_use_is_a_clear_error(side: Side) -> None:
    with side.host.entered(), pytest.raises(DeviceError, match="mesh0 already exists: is another mycelium running"):
        LinuxTun.open("mesh0")


@pytest.mark.netns
@pytest.mark.parametrize(("name", "reason"), [("much/too", "rejects 'much/too'"), ("x" * 16, "longer than 15 bytes")])
def test_an_impossible_name_is_a_clear_error(host: LabHost, name: str, reason: str) -> None:
    with host.entered(), pytest.raises(DeviceError, match=reason):
        LinuxTun.open(name)


UNPRIVILEGED = """
from mycelium.tun.linux import LinuxTun
try:
    LinuxTun.open("mesh0")
except Exception as error:
    print(repr(error))
"""


@pytest.mark.netns
def test_missing_permission_is_a_clear_error(host: LabHost) -> None:
    without = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "env", f"PYTHONPATH={ROOT}")
    shown = host.run(*without, sys.executable, "-c", UNPRIVILEGED).stdout
    assert shown.startswith(
        "DeviceError('no permission to create the TUN device mesh0: run as root, with CAP_NET_ADMIN"
    )


def test_a_device_node_that_is_not_ours_to_open_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytun.TunTapDevice", failing(PermissionError(13, "Permission denied")))
    with pytest.raises(DeviceError, match="no permission to open /dev/net/tun: run as root, give this user the device"):
        LinuxTun.open("mesh0")


def test_a_missing_device_node_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytun.TunTapDevice", failing(FileNotFoundError(2, "No such file or directory")))
    with pytest.raises(DeviceError, match="/dev/net/tun is missing"):
        LinuxTun.open("mesh0")


def failing(error: OSError) -> Callable[..., None]:
    def fail(**_: object) -> None:
        raise error

    return fail
