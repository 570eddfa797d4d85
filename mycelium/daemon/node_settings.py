"""What the operator's settings mean to the node."""

import logging
from collections.abc import Callable
from time import perf_counter
from typing import Final

from mycelium.admin.checks import ALL, MEMBERS
from mycelium.admin.config import Settings
from mycelium.admin.network_file import NetworkFile, read_network
from mycelium.crypto.primitives import RealPrimitives
from mycelium.identity import blake2b
from mycelium.limits import DESTINATIONS
from mycelium.node.settings import NodeSettings
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import NETWORK_ID_BYTES
from mycelium.wire.datagram import SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305, TAG_BYTES

log = logging.getLogger("mycelium")

MEASURED_BYTES: Final = 16_384  # a quarter of a frame: 5 us with instructions for AES, 0.1 ms without
MEASUREMENTS: Final = 5  # of each cipher; the least counts, as the machine may be busy

OPEN_NETWORK: Final = NetworkFile(bytes(32))
_SUITES: Final = (SUITE_AES_256_GCM, SUITE_CHACHA20_POLY1305)


def network_of(settings: Settings) -> NetworkFile:
    """Returns what the node has of its network; raises LocalError where the file can't be used."""
    return OPEN_NETWORK if settings.network_key_file is None else read_network(settings.network_key_file)


def node_settings(settings: Settings, network: NetworkFile) -> NodeSettings:
    """Returns the node's settings in a network."""
    if settings.name and network is OPEN_NETWORK:
        log.warning("the name %s is not announced: only nodes of a private network have names", settings.name)
    return NodeSettings(
        psk=network.key,
        network_id=_network_id(settings.network_name),
        name=b"" if network is OPEN_NETWORK else settings.name.encode(),
        suites=quick_suites(_seal_s),
        shortcuts=not settings.no_shortcuts,
        routing=RoutingParameters(
            # in a table as large as it may be, too, something is left for landmarks
            scope=min(settings.routes, DESTINATIONS - 1),
            standing=settings.landmark,
            is_leaf=settings.no_transit,
        ),
        answers_speed_tests=not settings.no_speed_tests,
        tells_links=settings.share_links in (ALL, *((MEMBERS,) if network is not OPEN_NETWORK else ())),
    )


def _network_id(name: str) -> bytes:
    return blake2b(name.encode(), size=NETWORK_ID_BYTES) if name else bytes(NETWORK_ID_BYTES)


def quick_suites(seal_s: Callable[[int], float]) -> int:
    """Returns the ciphers that this machine is quick at: AES only where sealing takes no longer than with ChaCha20.

    That is so where the processor has instructions for AES. `seal_s` measures how long sealing takes with a suite, in seconds.
    """
    aes_s, chacha_s = (min(seal_s(suite) for _ in range(MEASUREMENTS)) for suite in _SUITES)
    return SUITE_CHACHA20_POLY1305 | (SUITE_AES_256_GCM if aes_s <= chacha_s else 0)


def _seal_s(suite: int) -> float:
    cipher, sealed = RealPrimitives().aead(suite, bytes(32)), bytearray(MEASURED_BYTES + TAG_BYTES)
    began = perf_counter()
    cipher.encrypt_into(bytes(12), bytes(MEASURED_BYTES), None, sealed)
    return perf_counter() - began
