"""Binds listening sockets, and words the errors for the operator."""

import errno
import socket
from collections.abc import Callable
from typing import Final

from mycelium.errors import DeviceError

NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bind(scheme: str, host: str, port: int, kind: int, tune: Callable[[socket.socket], None]) -> socket.socket:
    """Binds a non-blocking socket of a kind such as SOCK_DGRAM; `tune` sets its options first.

    `host` is numeric and may name an interface, as in fe80::1%eth0. `::` also takes IPv4, and is IPv4 alone on a machine
    without IPv6. Raises DeviceError, written for the operator.
    """
    try:
        try:
            return _bound(host, port, kind, tune)
        except OSError as error:
            if host != "::" or error.errno not in NO_IPV6:
                raise
            return _bound("0.0.0.0", port, kind, tune)
    except OSError as error:
        raise DeviceError(_explanation(scheme, host, port, error)) from error


def _bound(host: str, port: int, kind: int, tune: Callable[[socket.socket], None]) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        tune(bound)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _explanation(scheme: str, host: str, port: int, error: OSError) -> str:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, socket.gaierror):
        _, percent, zone = host.partition("%")
        reason = f"this host has no interface {zone}" if percent else "not a numeric address"
        return f"cannot listen on {scheme} {shown}: {reason}"
    if error.errno == errno.EADDRINUSE:
        return f"{scheme} port {port} is in use: is another mycelium running? Stop it, or choose another port with --listen"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {scheme} {shown}: this machine does not have that address"
    return f"cannot listen on {scheme} {shown}: {error.strerror}"
