"""The networks around an underlay address that one person may hold, by which strangers are counted."""

from functools import lru_cache
from ipaddress import ip_address, ip_network
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


def network_text(subnet: bytes) -> str:
    """Returns one of the networks around an address as text, as in 192.0.2.0/24."""
    bits, prefix = subnet[0], subnet[1:]
    if bits != 8 * len(prefix):
        return subnet.decode(errors="replace")  # text that is no address
    return str(ip_network((prefix.ljust(4 if len(prefix) <= 4 else 16, bytes(1)), bits)))


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
