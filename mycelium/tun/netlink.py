"""Address, route, MTU and queue of the TUN device, by netlink. All of it vanishes with the device.

pyroute2 takes 0.1 s and 13 MiB to import for what is done once, so the daemon has it done by a short-lived process.
"""

import asyncio
import errno
import ipaddress
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from socket import AF_INET6
from typing import Any, Final

from mycelium.errors import DeviceError
from mycelium.limits import GSO_BYTES, OVERLAY_MTU

_IFA_F_NODAD: Final = 0x02  # the address is a key's hash: nobody else has it, so it is usable at once
_RTM_F_FIB_MATCH: Final = 0x2000  # answers with the route that matches, not with the way to one address
_ADDR_GEN_MODE_NONE: Final = 1  # no link-local address: with one the kernel would send router solicitations


async def configure_apart(name: str, address: str) -> None:
    """Does what `configure` does in a process of its own, which leaves nothing in this one; raises DeviceError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, name, address, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await child.communicate()
    if child.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise DeviceError(lines[-1] if lines else f"{name} can't be configured")


def configure(
    name: str,
    address: str,
    prefix_length: int = 7,
    mtu: int = OVERLAY_MTU,
    queue_length: int = 1_000,
    gso_max_size: int = GSO_BYTES,
) -> None:
    """Gives the device its IPv6 address, with an on-link route to all of the prefix, and sets it up.

    Blocks for about 0.2 s. Raises DeviceError, also where another interface has a route into the prefix already.
    """
    # pyroute2 runs an event loop of its own, which the caller's thread may not allow
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(_configure, name, address, prefix_length, mtu, queue_length, gso_max_size).result()


def _configure(name: str, address: str, prefix_length: int, mtu: int, queue_length: int, gso_max_size: int) -> None:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as netlink:
            index = _index_of(netlink, name)
            _refuse_second(netlink, index, address, prefix_length)
            netlink.link("set", index=index, mtu=mtu, txqlen=queue_length)
            mode = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_ADDR_GEN_MODE", _ADDR_GEN_MODE_NONE)]})]}
            _try_link(netlink, index, IFLA_AF_SPEC=mode)
            _try_link(netlink, index, gso_max_size=gso_max_size)
            netlink.addr(
                "add", index=index, address=address, prefixlen=prefix_length, family=AF_INET6, IFA_FLAGS=_IFA_F_NODAD
            )
            netlink.link("set", index=index, state="up")
    except NetlinkError as error:
        raise DeviceError(_reason(name, error.code)) from error


def _index_of(netlink: Any, name: str) -> int:
    indexes: list[int] = netlink.link_lookup(ifname=name)
    if not indexes:
        raise DeviceError(f"there is no interface {name}")
    return indexes[0]


def _refuse_second(netlink: Any, index: int, address: str, prefix_length: int) -> None:
    """Asks the kernel which route leads to our address: one within the prefix means that somebody else serves it."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        (route,) = netlink.route("get", dst=address, family=AF_INET6, flags=_RTM_F_FIB_MATCH)
    except NetlinkError as error:
        if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return
        raise
    other = route.get("oif")
    if route["dst_len"] >= prefix_length and other != index:
        network = ipaddress.ip_network(f"{address}/{prefix_length}", strict=False)
        holder = netlink.get_links(other)[0].get("ifname") if other else "an unreachable route"
        raise DeviceError(f"{holder} already holds a route into {network}: is another mycelium running?")


def _try_link(netlink: Any, index: int, **attributes: Any) -> None:
    """Sets what some kernels do not know and the device can do without."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        netlink.link("set", index=index, **attributes)
    except NetlinkError as error:
        if error.code not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT):
            raise


def _reason(name: str, code: int) -> str:
    match code:
        case errno.EPERM:
            return f"no permission to configure {name}: it takes CAP_NET_ADMIN"
        case errno.EACCES | errno.EAFNOSUPPORT | errno.EOPNOTSUPP:
            return f"IPv6 is switched off on this host: sysctl net.ipv6.conf.{name}.disable_ipv6 must be 0"
        case _:
            return f"{name} can't be configured: {os.strerror(code)}"


if __name__ == "__main__":
    try:
        configure(sys.argv[1], sys.argv[2])
    except DeviceError as error:
        sys.exit(str(error))
