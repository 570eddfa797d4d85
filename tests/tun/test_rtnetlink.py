"""The kernel answers, and its refusals have their reasons."""

import errno
import socket

import pytest

from mycelium.packet.netlink import IFLA_IFNAME, LINK, NLM_F_DUMP, RTM_GETLINK, RTM_NEWLINK, attributes
from mycelium.tun.rtnetlink import ask, change, is_absent

LOOPBACK = "lo"
NOBODY = 0x7FFF_FFFF


def names(links: list[bytes]) -> list[bytes]:
    return [dict(attributes(link[LINK.size :]))[IFLA_IFNAME].rstrip(b"\0") for link in links]


def test_the_kernel_tells_of_one_interface_and_of_all() -> None:
    index = socket.if_nametoindex(LOOPBACK)
    assert names(ask(RTM_GETLINK, LINK.pack(0, 0, index, 0, 0))) == [b"lo"]
    assert b"lo" in names(ask(RTM_GETLINK, bytes(LINK.size), flags=NLM_F_DUMP))


def test_the_kernels_refusal_is_an_error_with_its_reason() -> None:
    with pytest.raises(OSError, match="No such device") as caught:
        ask(RTM_GETLINK, LINK.pack(0, 0, NOBODY, 0, 0))
    assert is_absent(caught.value)
    with pytest.raises(OSError, match=r"No such device|not permitted"):
        change(RTM_NEWLINK, LINK.pack(0, 0, NOBODY, 0, 0))
    assert not is_absent(OSError(errno.EPERM, "not permitted"))
