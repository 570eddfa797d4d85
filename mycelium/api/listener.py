"""The listening socket of the API: on TCP, or a unix socket that only its owner may open."""

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

from mycelium.admin.api_address import ApiAddress
from mycelium.api.client import ApiClient
from mycelium.errors import ApiError, DeviceError, DiskError, NoDaemon

_BACKLOG: Final = 64
_ASK_S: Final = 1.0  # how long whoever holds the address has to say what it is
_OF_DISK: Final = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO)
_OWNER_ONLY: Final = 0o177  # umask that leaves 0600


def open_listener(address: ApiAddress, flag: str) -> socket.socket:
    """Returns a bound, non-blocking socket; raises DeviceError if the address, of a flag, is in use or unavailable.

    That is a DiskError where no socket file can be made for now.
    """
    try:
        return _open_unix(Path(address.path)) if address.is_unix else _open_tcp(address)
    except OSError as error:
        reason = _reason(error, address)
        kind = DiskError if error.errno in _OF_DISK else DeviceError
        raise kind(f"cannot serve the API at {address}: {reason} (choose another address with {flag})") from None


def _reason(error: OSError, address: ApiAddress) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another {'mycelium' if _is_mycelium(address) else 'program'} is listening there"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return "this host does not have that address"
    return error.strerror or str(error)


def _is_mycelium(address: ApiAddress) -> bool:
    """Asks whoever listens at an address."""
    try:
        ApiClient(address, timeout_s=_ASK_S).admin()
    except NoDaemon:
        return False
    except ApiError:  # it wants a token, or is of another version
        return True
    return True


def remove_socket_file(address: ApiAddress, inode: int) -> None:
    """Deletes the file of the socket, unless another daemon has put its own in its place."""
    try:
        if os.lstat(address.path).st_ino == inode:
            os.unlink(address.path)
    except OSError:
        return  # gone already, or left for the next daemon to replace


def _open_tcp(address: ApiAddress) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets have it too. Else a part of an answer waits until the caller has acknowledged the one before: 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((address.host, address.port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _open_unix(path: Path) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(_OWNER_ONLY)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    listener.setblocking(False)
    return listener


def _remove_stale(path: Path) -> None:
    """Removes the socket file of a dead daemon; raises OSError if the daemon is alive or the file is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "a file that is not a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass  # its queue is full, so it is alive
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
