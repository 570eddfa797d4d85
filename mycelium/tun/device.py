"""Creates the TUN device: by pytun, or by the system call that it makes where it is missing: for ARM it is source only."""

import fcntl
import os
import struct
from typing import Final, Protocol

_CLONE_DEVICE: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x4004_54CA  # linux/if_tun.h, as the flags
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_IFF_TUN_EXCL: Final = 0x8000
_FLAGS: Final = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL
_IFREQ: Final = struct.Struct("16sH22x")  # name, flags: netdevice(7)


class TunHandle(Protocol):
    """An open TUN device; closing it removes the interface."""

    name: str

    def fileno(self) -> int: ...
    def close(self) -> None: ...


def create_device(name: str) -> TunHandle:
    """Creates the interface `name`, of at most 15 bytes; the kernel chooses one for an empty name. Raises OSError."""
    try:
        from pytun import TunTapDevice
    except ImportError:
        return _PlainHandle(name)
    handle: TunHandle = TunTapDevice(name=name, flags=_FLAGS)
    return handle


class _PlainHandle:
    def __init__(self, name: str) -> None:
        self._fd = os.open(_CLONE_DEVICE, os.O_RDWR | os.O_CLOEXEC)
        try:
            answer = fcntl.ioctl(self._fd, _TUNSETIFF, _IFREQ.pack(os.fsencode(name), _FLAGS))
        except OSError:
            os.close(self._fd)
            raise
        self.name = os.fsdecode(_IFREQ.unpack(answer)[0].rstrip(b"\0"))

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)
