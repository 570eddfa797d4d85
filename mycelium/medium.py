"""The properties of a path that its transport determines: datagram size, reliability, preference."""

from typing import Final

from msgspec import Struct

from mycelium.limits import QUIC_DATAGRAM, STREAM_DATAGRAM


class Medium(Struct, frozen=True):
    """The properties of one kind of transport."""

    datagram_size: int | None  # bytes; None: path MTU discovery finds it for each path
    is_reliable: bool  # datagrams are lost only where the sender's queue is full
    preference: int  # the lowest wins among paths with about the same round-trip time


UDP: Final = Medium(datagram_size=None, is_reliable=False, preference=0)
QUIC: Final = Medium(datagram_size=QUIC_DATAGRAM, is_reliable=False, preference=1)
TCP: Final = Medium(datagram_size=STREAM_DATAGRAM, is_reliable=True, preference=2)
TLS: Final = Medium(datagram_size=STREAM_DATAGRAM, is_reliable=True, preference=3)
WSS: Final = Medium(datagram_size=STREAM_DATAGRAM, is_reliable=True, preference=4)

_MEDIA: Final = {"udp": UDP, "quic": QUIC, "tcp": TCP, "tls": TLS, "wss": WSS}


def medium_of(scheme: str) -> Medium:
    """Returns the medium of a scheme; an unknown scheme is treated as UDP."""
    return _MEDIA.get(scheme, UDP)
