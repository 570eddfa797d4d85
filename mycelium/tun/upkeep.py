"""Compares the TUN device with what `netlink` made of it, and makes it so again.

A comparison is some requests to the kernel, about 0.1 ms: cheap enough to be made whenever anything has changed on this host.
"""

import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES
from mycelium.packet.ipv6 import MINIMUM_MTU
from mycelium.packet.netlink import (
    ADDRESS,
    IFA_ADDRESS,
    IFF_UP,
    IFLA_GSO_MAX_SIZE,
    IFLA_IFNAME,
    IFLA_MTU,
    IFLA_TXQLEN,
    LINK,
    NLM_F_DUMP,
    RTM_GETADDR,
    RTM_GETLINK,
    attributes,
    number,
)
from mycelium.tun import rtnetlink
from mycelium.tun.ethtool import Features, active_features, set_features
from mycelium.tun.linux import LinuxTun
from mycelium.tun.netlink import PREFIX, PREFIX_BITS, configure, limit_super_packets, name_of, route_of

_SHAPE: Final = {IFLA_MTU: "an MTU", IFLA_TXQLEN: "a queue length", IFLA_GSO_MAX_SIZE: "a largest super-packet"}


class Fault(NamedTuple):
    """What is wrong with the device, in words that follow its name, and what that means."""

    text: str
    is_gone: bool = False  # there is no device
    stops: bool = True  # no packet passes while this is wrong


class TunUpkeep:
    """One TUN device of this host and the address that it is to have."""

    def __init__(self, tun: LinuxTun, address: str) -> None:
        self._tun = tun
        self._address = address
        self._packed = socket.inet_pton(socket.AF_INET6, address)
        self._index = socket.if_nametoindex(tun.name)
        self._has_limit = False  # whether the kernel has taken that for super-packets
        self._shape: tuple[int, ...] = ()  # MTU, queue length and largest super-packet once configured
        self._features: Features = ()

    @property
    def name(self) -> str:
        """The device's name, which may change."""
        return self._tun.name

    def configure(self) -> None:
        """Gives a new device its address, route, MTU and queue; raises DeviceError."""
        configure(self._tun.name, self._address)
        self._shape = _shape(self._link())
        self._has_limit = self._shape[-1] == GSO_BYTES
        self._features = active_features(self._tun.name)

    def repair(self, fault: Fault) -> None:
        """Makes the device what it was; raises DeviceError where that is not possible, with the reason."""
        if fault.is_gone:
            self._tun.reopen()
            self._index = socket.if_nametoindex(self._tun.name)
        longest = self._shape[-1] if self._has_limit else GSO_BYTES
        configure(self._tun.name, self._address, super_packet_bytes=longest, is_repair=True)
        try:
            set_features(self._tun.name, active_features(self._tun.name), self._features)
        except OSError as error:
            raise DeviceError(f"cannot switch on the offloads of {self._tun.name}: {error.strerror}") from error

    def limit_super_packets(self, longest: int) -> None:
        """Has the device take super-packets of at most so many bytes, where kernels have such limits.

        Raises OSError where that fails; a repair does it then.
        """
        if self._has_limit and longest != self._shape[-1]:
            self._shape = (*self._shape[:-1], longest)
            limit_super_packets(self._index, longest)

    def fault(self) -> Fault | None:
        """Returns what is wrong, the worst first; None if all is well."""
        if self._tun.is_removed():
            return Fault("was removed", is_gone=True)
        try:
            return next(self._faults(self._link()), None)
        except OSError as error:
            if not rtnetlink.is_absent(error):
                raise
            return Fault("was moved to another network namespace", is_gone=True)

    def _link(self) -> bytes:
        [link] = rtnetlink.ask(RTM_GETLINK, LINK.pack(0, 0, self._index, 0, 0))
        return link

    def _faults(self, link: bytes) -> Iterator[Fault]:
        told = dict(attributes(link[LINK.size :]))
        self._tun.name = told[IFLA_IFNAME].rstrip(b"\0").decode(errors="replace")
        if not LINK.unpack_from(link)[3] & IFF_UP:
            yield Fault("is down")
        for what, value, wanted in zip(_SHAPE.values(), _shape(link), self._shape, strict=True):
            if value != wanted:
                yield Fault(
                    f"has {what} of {value}, not {wanted}", stops=_SHAPE[IFLA_MTU] == what and value < MINIMUM_MTU
                )
        if not self._has_address():
            yield Fault("has lost its address")
        yield from self._route_faults()
        if active_features(self._tun.name) != self._features:
            yield Fault("has other offloads than at its start", stops=False)

    def _has_address(self) -> bool:
        asked = ADDRESS.pack(socket.AF_INET6, 0, 0, 0, self._index)
        for body in rtnetlink.ask(RTM_GETADDR, asked, flags=NLM_F_DUMP):
            *_, index = ADDRESS.unpack_from(body)
            address = dict(attributes(body[ADDRESS.size :])).get(IFA_ADDRESS)
            if index == self._index and address == self._packed:
                return True
        return False

    def _route_faults(self) -> Iterator[Fault]:
        bits, device = route_of(self._packed)
        if bits < PREFIX_BITS:
            yield Fault(f"has lost the route {PREFIX}")
        elif (
            bits == PREFIX_BITS and device != self._index
        ):  # a longer prefix that leads elsewhere is the operator's business
            yield Fault(f"has lost the route {PREFIX} to {name_of(device)}")


def _shape(link: bytes) -> tuple[int, ...]:
    told = dict(attributes(link[LINK.size :]))
    return tuple(number(told.get(kind, b"")) for kind in _SHAPE)
