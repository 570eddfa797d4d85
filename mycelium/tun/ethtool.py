"""The offload features of a network interface, read and set as a whole (<linux/ethtool.h>, ETHTOOL_GFEATURES)."""

import array
import fcntl
import socket
import struct
from typing import Final

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_GFEATURES: Final = 0x3A
_ETHTOOL_SFEATURES: Final = 0x3B
_BLOCKS: Final = 2  # of 32 features each; Linux has fewer than 64
_IFREQ: Final = struct.Struct("16sP16x")  # name, pointer to the command

Features = tuple[int, ...]  # one integer of bits for each block


def active_features(name: str) -> Features:
    """Returns the features in use; raises OSError."""
    command = array.array("I", [_ETHTOOL_GFEATURES, _BLOCKS, *[0] * 4 * _BLOCKS])
    _run(name, command)
    return tuple(
        command[2 + 4 * block + 2] for block in range(_BLOCKS)
    )  # of available, requested, active, never changed


def set_features(name: str, before: Features, wanted: Features) -> None:
    """Switches the features that differ; raises OSError."""
    blocks = [word for had, wants in zip(before, wanted, strict=True) for word in (had ^ wants, wants)]
    _run(name, array.array("I", [_ETHTOOL_SFEATURES, _BLOCKS, *blocks]))


def _run(name: str, command: "array.array[int]") -> None:
    request = _IFREQ.pack(name.encode(), command.buffer_info()[0])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket.fileno(), _SIOCETHTOOL, request)
