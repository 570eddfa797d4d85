"""Arrival times are right from the first datagram on, and a kernel that has none delays nothing for long."""

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from mycelium.transport import udp_timestamps
from mycelium.transport.udp_timestamps import start_timestamping
from tests.lab.waiting import PATIENCE_S

Ioctl = Callable[[socket.socket, int, bytes], bytes]


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as made:
        yield made


def late_kernel(unstamped: int) -> tuple[Ioctl, list[int]]:
    """A kernel that reports the present as arrival time of the first datagrams; returns the list of its reports too."""
    reports: list[int] = []
    asked: set[int] = set()

    def ioctl(udp: socket.socket, request: int, argument: bytes) -> bytes:
        if udp.fileno() not in asked:
            asked.add(udp.fileno())
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        now = time.time_ns()
        reports.append(now if len(reports) < unstamped else now - 1_000_000)
        return struct.pack("=qq", *divmod(reports[-1], 1_000_000_000))

    return ioctl, reports


def test_a_fresh_socket_is_stamped(udp: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_timestamps, "START_SECONDS", PATIENCE_S)
    assert start_timestamping(udp)


def test_the_kernel_is_waited_for_until_it_notes_arrival_times(
    udp: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ioctl, reports = late_kernel(unstamped=5)
    monkeypatch.setattr(udp_timestamps, "ioctl", ioctl)
    monkeypatch.setattr(udp_timestamps, "START_SECONDS", PATIENCE_S)
    assert start_timestamping(udp)
    assert len(reports) == 6


def test_a_kernel_that_never_notes_them_is_waited_for_until_the_deadline(
    udp: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ioctl, reports = late_kernel(unstamped=1_000)
    monkeypatch.setattr(udp_timestamps, "ioctl", ioctl)
    monkeypatch.setattr(udp_timestamps, "START_SECONDS", PATIENCE_S)
    steps = iter(range(100))
    assert not start_timestamping(udp, clock=lambda: next(steps) * PATIENCE_S / 4)
    assert len(reports) == 4


def test_a_kernel_without_arrival_times_is_not_waited_for(udp: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    monkeypatch.setattr(udp_timestamps, "ioctl", refuse)
    assert not start_timestamping(udp, clock=iter([0.0]).__next__)


def test_without_a_loopback_interface_nothing_is_waited_for(
    udp: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_timestamps, "LOOPBACK", "192.0.2.1")  # no host has this address
    assert not start_timestamping(udp, clock=iter([0.0]).__next__)
