"""Switches segmentation offloads of an interface, as `ethtool -K` does, without needing that tool."""

import ctypes
import fcntl
import socket
import struct
from typing import Final

SIOCETHTOOL: Final = 0x8946
ETHTOOL_GSTRINGS: Final = 0x1B
ETHTOOL_GSSET_INFO: Final = 0x37
ETHTOOL_SFEATURES: Final = 0x3B
ETH_SS_FEATURES: Final = 4
NAME_BYTES: Final = 32

SEGMENTATION: Final = (
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
)


def switch_segmentation(interface: str, *, on: bool) -> None:
    """Tells an interface of this namespace to take super-packets whole, or packet by packet.

    A veth passes super-packets whole by default, and a random drop would then hit 64 KiB at a time.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        names = _feature_names(control, interface)
        words = (len(names) + 31) // 32
        valid = [0] * words
        for bit in (names.index(name) for name in SEGMENTATION if name in names):
            valid[bit // 32] |= 1 << bit % 32
        pairs = [value for word in valid for value in (word, word if on else 0)]
        _ethtool(control, interface, struct.pack(f"=II{2 * words}I", ETHTOOL_SFEATURES, words, *pairs))


def _feature_names(control: socket.socket, interface: str) -> list[str]:
    info = _ethtool(control, interface, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0))
    count = struct.unpack_from("=I", info, 16)[0]
    head = struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    table = _ethtool(control, interface, head + bytes(count * NAME_BYTES))[len(head) :]
    return [table[start : start + NAME_BYTES].split(b"\0")[0].decode() for start in range(0, len(table), NAME_BYTES)]


def _ethtool(control: socket.socket, interface: str, command: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(command, len(command))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(buffer))
    fcntl.ioctl(control, SIOCETHTOOL, request + bytes(16))
    return buffer.raw
