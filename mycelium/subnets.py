"""The networks around an underlay address that one person may hold, by which strangers are counted."""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from mycelium.limits import SUBNETS
from mycelium.timing import TokenBuckets

_LEVELS: Final = 3  # most networks around an address
_BITS: Final = {4: (32, 24), 6: (64, 56, 48)}  # a host or subscriber, up to what a site is given


@lru_cache(maxsize=SUBNETS)
def subnets_of(address: bytes | str) -> tuple[bytes, ...]:
    """Returns the networks, narrow to wide, that an address lies in: IPv4 /32 and /24, IPv6 /64, /56 and /48.

    The address has 4 or 16 bytes, or is numeric text; any other text stands for itself. A loopback address lies in none: a
    proxy on this host forwards whoever comes.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return (address.encode() if isinstance(address, str) else address,)
    if parsed.is_loopback:
        return ()
    return tuple(bytes([bits]) + parsed.packed[: bits // 8] for bits in _BITS[parsed.version])


class SubnetRates:
    """A rate for each network around an address: `rate` and `burst` for the narrowest, twice as much for each wider one."""

    __slots__ = ("_levels",)

    def __init__(self, rate: int, *, burst: int) -> None:
        self._levels = [
            TokenBuckets[bytes](rate << level, burst=burst << level, keys=SUBNETS) for level in range(_LEVELS)
        ]

    def take(self, address: bytes | str, *, now: float) -> bool:
        """Takes a token of each network around an address; returns False if one of them has none."""
        return all(self._levels[level].take(subnet, now=now) for level, subnet in enumerate(subnets_of(address)))
