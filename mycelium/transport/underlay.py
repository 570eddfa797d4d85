"""What the transports know of the network below the overlay: their sockets' mark, and what of it is the overlay itself.

A link through the overlay would carry its own datagrams, round and round. So nothing is sent where the kernel's route leads
into the TUN device, or into a tunnel between overlay addresses, and nothing is taken that arrived there.
"""

import contextlib
import ipaddress
import socket
from typing import NamedTuple

from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.identity import is_overlay_address
from mycelium.packet.netlink import (
    AF_BRIDGE,
    IFLA_INFO_DATA,
    IFLA_INFO_KIND,
    IFLA_LINK,
    IFLA_LINK_NETNSID,
    IFLA_LINKINFO,
    IFLA_VXLAN_LINK,
    LINK,
    NDA_DST,
    NDA_LLADDR,
    NDA_MASTER,
    NEIGHBOUR,
    NLM_F_REQUEST,
    READ_BYTES,
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MARK,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_SRC,
    RTA_VIA,
    RTM_GETLINK,
    RTM_GETNEIGH,
    RTM_GETROUTE,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
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


class Route(NamedTuple):
    """The kernel's route for an address; all empty without one."""

    kind: int = 0
    interface: int = 0
    gateway: bytes = b""  # 4 or 16 bytes; empty for a destination on the link
    is_gateway_of_other_family: bool = False
    source: bytes = b""  # this host's address towards it


class Underlay:
    """The network that the transports of one node use. `mark` is set on their sockets, for the rules of policy routing."""

    def __init__(self, *, mark: int = 0) -> None:
        self._mark = mark
        self._tun = 0
        self._netlink: socket.socket | None = None
        self._is_inside: dict[int, bool] = {}  # by interface index
        self._bridges: set[int] = set()  # among these

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
        address = ipaddress.ip_address(host)
        return is_in_overlay(address) or bool(self._way_inside(interface, address.packed))

    def objection(self, endpoint: Endpoint) -> str | None:
        """Returns why nothing may be sent to an endpoint, in words for the operator; None if all is well."""
        try:
            address = ipaddress.ip_address(endpoint.host)
        except ValueError:
            return None
        if is_in_overlay(address):
            return f"{address} lies in the overlay itself"
        route = Route(interface=endpoint.scope) if endpoint.scope else self._resolve(address.packed)
        if route.kind == RTN_BROADCAST:
            return f"{address} is the broadcast address of a network"
        inside = self._way_inside(route.interface, route.gateway or address.packed)
        if inside:
            way = f"the route to {address} leads into {_name(inside)}, so through the overlay itself"
            return f"{way}; give links another one by --firewall-mark and a rule for it"
        return None

    def route_to(self, address: bytes, source: bytes = b"") -> Route:
        """Returns the route to an address of 4 or 16 bytes, from one of our addresses or from whichever the kernel takes."""
        self._open()
        return self._resolve(address, source)

    def way_to(self, address: bytes, source: bytes) -> tuple[int, bytes] | None:
        """Returns the interface and the gateway of the route from one of our addresses; None for no route to another host.

        Addresses have 4 or 16 bytes. A destination on the link is its own gateway.
        """
        route = self.route_to(address, source)
        if route.kind != RTN_UNICAST or route.is_gateway_of_other_family:
            return None
        return route.interface, route.gateway or address

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
        self._bridges.clear()

    def _way_inside(self, interface: int, neighbour: bytes) -> int:
        """Returns the interface that leads inside on the way to a neighbour, which may be a bridge's port; 0 for none."""
        if self.leads_inside(interface):
            return interface
        port = self._port_towards(interface, neighbour) if interface in self._bridges else 0
        return port if port and self.leads_inside(port) else 0

    def _port_towards(self, bridge: int, neighbour: bytes) -> int:
        """Returns the port behind which a bridge has last heard a neighbour; 0 while either is not known."""
        family = socket.AF_INET if len(neighbour) == 4 else socket.AF_INET6
        wanted = NEIGHBOUR.pack(family, bridge, 0, 0, 0) + attribute(NDA_DST, neighbour)
        hardware = b""
        for kind, body in self._ask(RTM_GETNEIGH, wanted):
            if kind == RTM_NEWNEIGH:
                hardware = dict(attributes(body[NEIGHBOUR.size :])).get(NDA_LLADDR, b"")
        if not hardware:
            return 0
        wanted = NEIGHBOUR.pack(AF_BRIDGE, 0, 0, 0, 0) + attribute(NDA_LLADDR, hardware)
        for kind, body in self._ask(RTM_GETNEIGH, wanted + number_attribute(NDA_MASTER, bridge)):
            if kind == RTM_NEWNEIGH:
                port: int = NEIGHBOUR.unpack_from(body)[1]
                return port
        return 0

    def _is_tunnel_inside(self, interface: int) -> bool:
        """Tells whether an interface is a tunnel, of whatever kind, with an end in the overlay, or lies on one."""
        for kind, body in self._ask(RTM_GETLINK, LINK.pack(0, 0, interface, 0, 0)):
            if kind == RTM_NEWLINK:
                told = dict(attributes(body[LINK.size :]))
                information = dict(attributes(told.get(IFLA_LINKINFO, b"")))
                its_kind = information.get(IFLA_INFO_KIND, b"")
                if its_kind == b"bridge\0":
                    self._bridges.add(interface)
                    return False
                ends = dict(attributes(information.get(IFLA_INFO_DATA, b"")))
                below = ends.get(IFLA_VXLAN_LINK, b"") if its_kind == b"vxlan\0" else b""
                is_over = any(is_overlay_address(value) for value in ends.values())
                return is_over or self._lies_inside(told) or bool(below and self.leads_inside(number(below)))
        return False

    def _lies_inside(self, told: dict[int, bytes]) -> bool:
        """Tells whether what is below an interface leads inside; in another namespace, an index means another interface."""
        if IFLA_LINK not in told or IFLA_LINK_NETNSID in told:
            return False
        return self.leads_inside(number(told[IFLA_LINK]))

    def _resolve(self, address: bytes, source: bytes = b"") -> Route:
        family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
        bits = 8 * len(address)
        wanted = attribute(RTA_DST, address) + number_attribute(RTA_MARK, self._mark)
        if source:
            wanted += attribute(RTA_SRC, source)
        head = ROUTE.pack(family, bits, bits if source else 0, 0, 0, 0, 0, 0, 0)
        for kind, body in self._ask(RTM_GETROUTE, head + wanted):
            if kind == RTM_NEWROUTE:
                found = dict(attributes(body[ROUTE.size :]))
                return Route(
                    body[7],
                    number(found.get(RTA_OIF, b"")),
                    found.get(RTA_GATEWAY, b""),
                    RTA_VIA in found,
                    found.get(RTA_PREFSRC, b""),
                )
        return Route()

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
