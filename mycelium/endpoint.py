"""Where a neighbour can be reached: an address on the underlay, as the transport and the node both name it.

The node never looks inside: an endpoint is a key to find a path by, and a label for people.
"""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """A remote socket address and, once known, the local address that it is spoken to from."""

    scheme: str  # "udp"
    host: str  # numeric; IPv4 plainly, not mapped into IPv6
    port: int
    scope: int = 0  # interface index of a link-local address
    local: bytes = b""  # local address, 4 or 16 bytes as in PKTINFO; empty: the kernel chooses

    def __str__(self) -> str:
        scope = f"%{self.scope}" if self.scope else ""
        host = f"[{self.host}{scope}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"
