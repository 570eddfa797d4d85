"""Counts the accepted connections that the node does not use yet, by the host that they come from."""

from collections import Counter
from ipaddress import ip_address

from mycelium.limits import TCP_STRANGERS_PER_HOST


class Strangers:
    """How many connections of strangers there are; a host is an IPv4 address or an IPv6 /64."""

    def __init__(self) -> None:
        self._by_host: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._by_host.total()

    def admit(self, host: str) -> bool:
        """Counts one more of a host; False if it has too many."""
        key = _key_of(host)
        if self._by_host[key] >= TCP_STRANGERS_PER_HOST:
            return False
        self._by_host[key] += 1
        return True

    def forget(self, host: str) -> None:
        """Takes that one of a host has ended, or is a stranger's no longer."""
        key = _key_of(host)
        self._by_host[key] -= 1
        if not self._by_host[key]:
            del self._by_host[key]


def _key_of(host: str) -> str:
    address = ip_address(host)
    return host if address.version == 4 else address.packed[:8].hex()
