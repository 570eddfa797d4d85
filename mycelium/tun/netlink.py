"""Configures address, route, MTU and queue of the TUN device by netlink; the kernel removes them with the device.

Importing pyroute2 takes 0.1 s and 13 MiB for a task that is done once, so the daemon runs it in a short-lived process.
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

# no duplicate address detection: the address is the hash of a key, so it is unique and usable at once
_IFA_F_NODAD: Final = 0x02
_RTM_F_FIB_MATCH: Final = 0x2000  # return the matching route entry instead of the resolved route
_ADDR_GEN_MODE_NONE: Final = 1  # no link-local address, for which the kernel would send router solicitations


async def configure_apart(name: str, address: str) -> None:
    """Runs `configure` in a separate process, which saves its memory in this one; raises DeviceError."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, name, address, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await child.communicate()
    if child.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise DeviceError(lines[-1] if lines else f"cannot configure {name}")


def configure(
    name: str,
    address: str,
    prefix_length: int = 7,
    mtu: int = OVERLAY_MTU,
    queue_length: int = 1_000,
    gso_max_size: int = GSO_BYTES,
) -> None:
    """Gives the device its IPv6 address and an on-link route to the prefix, and brings it up.

    Blocks for about 0.2 s. Raises DeviceError, also if another interface already has a route into the prefix.
    """
    # pyroute2 runs an event loop, which is impossible in a thread that already runs one
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
        raise DeviceError(f"no interface named {name}")
    return indexes[0]


def _refuse_second(netlink: Any, index: int, address: str, prefix_length: int) -> None:
    """Raises DeviceError if the kernel already has a route into the prefix over another interface."""
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
    """Sets optional attributes, which some kernels do not support."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        netlink.link("set", index=index, **attributes)
    except NetlinkError as error:
        if error.code not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT):
            raise


def _reason(name: str, code: int) -> str:
    match code:
        case errno.EPERM:
            return f"no permission to configure {name}: CAP_NET_ADMIN is required"
        case errno.EACCES | errno.EAFNOSUPPORT | errno.EOPNOTSUPP:
            return f"IPv6 is disabled on this host: sysctl net.ipv6.conf.{name}.disable_ipv6 must be 0"
        case _:
            return f"cannot configure {name}: {os.strerror(code)}"


if __name__ == "__main__":
    try:
        configure(sys.argv[1], sys.argv[2])
    except DeviceError as error:
        sys.exit(str(error))
