"""Where a node can be dialled, as neighbours tell each other.

0  1  scheme: place in SCHEMES
1  18 address and port (`underlay_address.py`)
19 32 exchange key, which must answer there
"""

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from mycelium.endpoint import Endpoint
from mycelium.errors import DecodeError
from mycelium.wire.underlay_address import UnderlayAddress, underlay_address

SCHEMES: Final = ("udp", "quic", "tcp", "tls", "wss")

_KNOWN_PEER: Final = struct.Struct("!B18s32s")


class KnownPeer(NamedTuple):
    """An underlay address at which the holder of an X25519 key answers."""

    scheme: str
    address: UnderlayAddress
    key: bytes

    @property
    def endpoint(self) -> Endpoint:
        """Where to dial it."""
        return Endpoint(self.scheme, *self.address)


def known_peer(endpoint: Endpoint, key: bytes) -> KnownPeer:
    """Returns what is told of the holder of a key at an endpoint."""
    return KnownPeer(endpoint.scheme, UnderlayAddress(endpoint.host, endpoint.port), key)


def encode_known_peers(peers: Iterable[KnownPeer]) -> bytes:
    """Returns the peers of a message, one after the other."""
    return b"".join(_KNOWN_PEER.pack(SCHEMES.index(peer.scheme), peer.address.packed(), peer.key) for peer in peers)


def decode_known_peers(data: bytes) -> tuple[KnownPeer, ...]:
    """Decodes peers that fill `data`, skipping those of unknown schemes; raises DecodeError."""
    if len(data) % _KNOWN_PEER.size:
        raise DecodeError("known peers of a wrong length")
    return tuple(
        KnownPeer(SCHEMES[scheme], underlay_address(address), key)
        for scheme, address, key in _KNOWN_PEER.iter_unpack(data)
        if scheme < len(SCHEMES)
    )
