"""Opening UDP sockets on loopback: family, options, and what is said where one can't be had."""

import socket

import pytest

from mycelium.errors import DeviceError
from mycelium.transport.udp_socket import IP_MTU_DISCOVER, PMTUDISC_PROBE, enable_gro, has_gso, open_udp_socket
from mycelium.transport.underlay import Underlay
from tests.lab.waiting import PATIENCE_S


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_numeric_address_decides_the_family(host: str, family: int) -> None:
    with open_udp_socket(host, 0, Underlay()) as udp:
        assert udp.family == family
        assert not udp.getblocking()


def test_the_ipv6_wildcard_takes_ipv4_too() -> None:
    with open_udp_socket("::", 0, Underlay()) as udp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        udp.setblocking(True)
        udp.settimeout(PATIENCE_S)
        sender.sendto(b"hello", ("127.0.0.1", udp.getsockname()[1]))
        assert udp.recv(10) == b"hello"


def test_datagrams_are_never_fragmented() -> None:
    with open_udp_socket("127.0.0.1", 0, Underlay()) as udp:
        assert udp.getsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER) == PMTUDISC_PROBE


def test_a_kernel_without_the_options_is_told_from_one_with_them() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert not has_gso(other)
        assert not enable_gro(other)


def test_a_port_in_use_names_the_likely_cause() -> None:
    with open_udp_socket("127.0.0.1", 0, Underlay()) as udp:
        port = udp.getsockname()[1]
        with pytest.raises(DeviceError, match=f"{port} is in use: is another mycelium running"):
            open_udp_socket("127.0.0.1", port, Underlay())


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        ("192.0.2.1", r"cannot listen on udp 192\.0\.2\.1:0: this machine does not have that address"),
        ("2001:db8::1", r"cannot listen on udp \[2001:db8::1\]:0: this machine does not have that address"),
        ("example.org", r"cannot listen on udp example\.org:0: not a numeric address"),
    ],
)
def test_an_address_that_is_not_ours_is_refused_with_the_cause(host: str, complaint: str) -> None:
    with pytest.raises(DeviceError, match=complaint):
        open_udp_socket(host, 0, Underlay())
