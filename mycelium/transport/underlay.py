"""What the transports know of the network below the overlay: their sockets' mark, and what of it is the overlay itself.

A link through the overlay would carry its own datagrams, round and round. So nothing is sent where the kernel's route leads
into the TUN device, or into a tunnel between overlay addresses, and nothing is taken that arrived there.
"""

import contextlib
import ipaddress
import socket

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.identity import is_overlay_address
from mycelium.packet.netlink import (
    IFLA_INFO_DATA,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    LINK,
    NLM_F_REQUEST,
    READ_BYTES,
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MARK,
    RTA_OIF,
    RTA_SRC,
    RTA_VIA,
    RTM_GETLINK,
    RTM_GETROUTE,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    RTN_BROADCAST,
    RTN_UNICAST,
    attribute,
    attributes,
    message,
    messages,
    number,
    number_attribute,
)
from mycelium.peer_address import is_in_overlay


class Underlay:
    """The network that the transports of one node use. `mark` is set on their sockets, for the rules of policy routing."""

    def __init__(self, *, mark: int = 0) -> None:
        self._mark = mark
        self._tun = 0
        self._netlink: socket.socket | None = None
        self._is_inside: dict[int, bool] = {}  # by interface index

    def follow(self, tun: str) -> None:
        """Takes the TUN device of this name for the way into the overlay."""
        self._tun = socket.if_nametoindex(tun)
        self._open()

    def _open(self) -> None:
        if self._netlink is None:
            self._netlink = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )

    def close(self) -> None:
        """Stops asking the kernel; may be called twice."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def mark(self, opened: socket.socket) -> None:
        """Sets the firewall mark of a socket; raises DeviceError."""
        if self._mark:
            try:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._mark)
            except OSError as error:
                raise DeviceError(
                    f"cannot set the firewall mark: {error.strerror} (CAP_NET_ADMIN is required)"
                ) from error

    def came_through_overlay(self, host: str, interface: int) -> bool:
        """Tells whether what arrived from a host on an interface has travelled over the overlay itself."""
        return is_in_overlay(ipaddress.ip_address(host)) or self.leads_inside(interface)

    def objection(self, endpoint: Endpoint) -> str | None:
        """Returns why nothing may be sent to an endpoint, in words for the operator; None if all is well."""
        try:
            address = ipaddress.ip_address(endpoint.host)
        except ValueError:
            return None
        if is_in_overlay(address):
            return f"{address} lies in the overlay itself"
        kind, interface = (0, endpoint.scope) if endpoint.scope else self._route(address.packed)
        if kind == RTN_BROADCAST:
            return f"{address} is the broadcast address of a network"
        if self.leads_inside(interface):
            way = f"the route to {address} leads into {_name(interface)}, so through the overlay itself"
            return f"{way}; give links another one by --firewall-mark and a rule for it"
        return None

    def way_to(self, address: bytes, source: bytes) -> tuple[int, bytes] | None:
        """Returns the interface and the gateway of the route from one of our addresses; None for no route to another host.

        Addresses have 4 or 16 bytes. A destination on the link is its own gateway.
        """
        self._open()
        wanted = attribute(RTA_DST, address) + attribute(RTA_SRC, source) + number_attribute(RTA_MARK, self._mark)
        kind, found = self._resolve(address, wanted)
        if kind != RTN_UNICAST or RTA_VIA in found:
            return None
        return number(found[RTA_OIF]), found.get(RTA_GATEWAY, address)

    def leads_inside(self, interface: int) -> bool:
        """Tells whether an interface is the TUN device, or a tunnel over the overlay, or lies on one, as VLANs do."""
        if not self._tun:
            return False
        is_inside = self._is_inside.get(interface)
        if is_inside is None:
            self._is_inside[interface] = False  # ends circles: the ends of a veth pair lie on each other
            is_inside = self._is_inside[interface] = interface == self._tun or self._is_tunnel_inside(interface)
        return is_inside

    def routes_changed(self) -> None:
        """Forgets what was found out about interfaces."""
        self._is_inside.clear()

    def _is_tunnel_inside(self, interface: int) -> bool:
        """Tells whether an interface is a tunnel, of whatever kind, with an end in the overlay, or lies on one."""
        for kind, body in self._ask(RTM_GETLINK, LINK.pack(0, 0, interface, 0, 0)):
            if kind == RTM_NEWLINK:
                told = dict(attributes(body[LINK.size :]))
                information = dict(attributes(told.get(IFLA_LINKINFO, b"")))
                ends = attributes(information.get(IFLA_INFO_DATA, b""))
                return any(is_overlay_address(value) for _, value in ends) or self._lies_inside(told)
        return False

    def _lies_inside(self, told: dict[int, bytes]) -> bool:
        """Tells whether what is below an interface leads inside; in another namespace, an index means another interface."""
        if IFLA_LINK not in told or IFLA_LINK_NETNSID in told:
            return False
        return self.leads_inside(number(told[IFLA_LINK]))

    def _route(self, address: bytes) -> tuple[int, int]:
        """Returns the type of the kernel's route for an address, and its interface; zeros without one."""
        kind, found = self._resolve(address, attribute(RTA_DST, address) + number_attribute(RTA_MARK, self._mark))
        return kind, number(found.get(RTA_OIF, b""))

    def _resolve(self, address: bytes, wanted: bytes) -> tuple[int, dict[int, bytes]]:
        """Returns the type and the attributes of the kernel's route for an address; zero without one."""
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        bits = 8 * len(address)
        head = ROUTE.pack(family, bits, bits if RTA_SRC in dict(attributes(wanted)) else 0, 0, 0, 0, 0, 0, 0)
        for kind, body in self._ask(RTM_GETROUTE, head + wanted):
            if kind == RTM_NEWROUTE:
                return body[7], dict(attributes(body[ROUTE.size :]))
        return 0, {}

    def _ask(self, kind: int, body: bytes) -> list[tuple[int, bytes]]:
        """Returns the types and bodies of the kernel's answer, which is there at once; none if it has none."""
        if self._netlink is None:
            return []
        with contextlib.suppress(OSError):
            self._netlink.send(message(kind, NLM_F_REQUEST, body))
            return [(kind, body) for kind, _, body in messages(self._netlink.recv(READ_BYTES))]
        return []


def _name(interface: int) -> str:
    try:
        return socket.if_indextoname(interface)
    except OSError:  # it has just vanished
        return f"interface {interface}"
