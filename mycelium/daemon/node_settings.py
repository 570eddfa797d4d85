"""What the operator's settings mean to the node."""

from typing import Final

from mycelium.admin.config import Settings
from mycelium.admin.private_file import read_network_key
from mycelium.identity import blake2b
from mycelium.node.settings import NodeSettings
from mycelium.wire.announcement import NETWORK_ID_BYTES
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305

CPU_FEATURES: Final = "/proc/cpuinfo"


def node_settings(settings: Settings) -> NodeSettings:
    """Returns the node's settings; reads the network's key, and raises LocalError where that can't be used."""
    key_file = settings.network_key_file
    return NodeSettings(
        psk=bytes(32) if key_file is None else read_network_key(key_file),
        network_id=_network_id(settings.network_name),
        suites=_quick_suites(),
        shortcuts=not settings.no_shortcuts,
    )


def _network_id(name: str) -> bytes:
    return blake2b(name.encode(), size=NETWORK_ID_BYTES) if name else bytes(NETWORK_ID_BYTES)


def _quick_suites() -> int:
    """Returns the ciphers that this machine is quick at: AES only where the processor has instructions for it."""
    try:
        with open(CPU_FEATURES, encoding="ascii", errors="replace") as file:
            has_aes = any(line.startswith(("flags", "Features")) and " aes" in line for line in file)
    except OSError:
        has_aes = False
    return SUITE_CHACHA20_POLY1305 | (SUITE_AES_256_GCM if has_aes else 0)
