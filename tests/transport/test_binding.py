"""Sockets that listen: IPv6 takes IPv4 too, a machine without IPv6 gets IPv4, and mistakes are told in words."""

import errno
import os
import socket
from typing import Any

import pytest

from mycelium.errors import DeviceError
from mycelium.transport.binding import bind


def bound(host: str, port: int = 0) -> socket.socket:
    return bind("tcp", host, port, socket.SOCK_STREAM, lambda listener: listener.settimeout(70))


def test_the_wildcard_takes_both_families() -> None:
    with bound("::") as listener:
        assert listener.gettimeout() == 70
        listener.listen()
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1])).close()


def test_a_machine_without_ipv6_gets_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.socket

    def no_ipv6(family: int = -1, *arguments: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return make(family, *arguments)

    monkeypatch.setattr(socket, "socket", no_ipv6)
    with bound("::") as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
    with pytest.raises(DeviceError, match="cannot listen on tcp \\[::1\\]:0"):
        bound("::1")


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("192.0.2.1", "cannot listen on tcp 192.0.2.1:9651: this machine does not have that address"),
        ("example.net", "cannot listen on tcp example.net:9651: not a numeric address"),
        ("fe80::1%gone0", r"cannot listen on tcp \[fe80::1%gone0\]:9651: this host has no interface gone0"),
    ],
)
def test_an_address_that_can_not_be_bound_is_said_plainly(host: str, text: str) -> None:
    with pytest.raises(DeviceError, match=text):
        bound(host, 9_651)


def test_a_port_in_use_is_said_plainly() -> None:
    with bound("127.0.0.1") as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(DeviceError, match=f"tcp port {port} is in use: is another mycelium running\\?"):
            bound("127.0.0.1", port)
