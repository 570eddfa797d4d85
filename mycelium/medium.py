"""What the scheme of an endpoint says of the way there: how long datagrams may be, and whether any can be lost."""

from typing import Final

from msgspec import Struct

from mycelium.limits import STREAM_DATAGRAM


class Medium(Struct, frozen=True):
    """The properties of one kind of transport."""

    datagram_size: int | None  # bytes; None: each path has its own, which path MTU discovery finds
    is_reliable: bool  # loses no datagram that it has taken: what is missing was dropped here, for want of room
    preference: int  # of paths that are about equally quick, the one with the least is used


UDP: Final = Medium(datagram_size=None, is_reliable=False, preference=0)
TCP: Final = Medium(datagram_size=STREAM_DATAGRAM, is_reliable=True, preference=2)

_MEDIA: Final = {"udp": UDP, "tcp": TCP}


def medium_of(scheme: str) -> Medium:
    """Returns the medium of a scheme; a scheme without one of its own is like UDP."""
    return _MEDIA.get(scheme, UDP)
