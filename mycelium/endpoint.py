"""Underlay addresses of neighbours, as both transports and the node name them.

To the node an endpoint is a key of a path and a label for people; only transports interpret it.
"""

from typing import NamedTuple


class Endpoint(NamedTuple):
    """A remote socket address and, once known, the local socket that sends to it."""

    scheme: str  # names the transport, as in a peer URL
    host: str  # numeric; IPv4 is never mapped into IPv6
    port: int
    scope: int = 0  # interface index of a link-local address
    local: bytes = b""  # local address, 4 or 16 bytes as in PKTINFO; empty: the kernel chooses
    local_port: int = 0  # port of the local socket; 0: any socket that can reach the remote address
    connection: int = 0  # number of an accepted connection, which can't be dialled once it is closed; else 0
    site: str = ""  # which service at the remote address, as in a URL behind the port: /path?sni=name

    @property
    def remote(self) -> "Endpoint":
        """The same remote address or accepted connection, without a local address."""
        return self._replace(local=b"", local_port=0)

    def __str__(self) -> str:
        scope = f"%{self.scope}" if self.scope else ""
        host = f"[{self.host}{scope}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.site}"


Remote = tuple[str, str, int, int]  # scheme, host, port and scope


def remote_of(endpoint: Endpoint) -> Remote:
    """Returns what tells the other end of an endpoint from others."""
    return endpoint[:4]


def is_same_remote(one: Endpoint, other: Endpoint) -> bool:
    """Compares scheme, host, port and scope: which of our own addresses was used does not matter.

    A message from elsewhere may be a copy that a bystander sent on, to have us talk to a third party.
    """
    return one[:4] == other[:4]


class Lost(NamedTuple):
    """What this host can't send with any more, as its system tells."""

    addresses: frozenset[bytes] = frozenset()  # of its own, 4 or 16 bytes; none of them link-local
    interface: int = 0  # index; 0 for none
    endpoint: Endpoint | None = None  # the system refused to send there
    cause: str = "this host has no way to send there"  # for people

    def affects(self, endpoint: Endpoint) -> bool:
        """Tells whether datagrams to an endpoint were sent over this."""
        if self.endpoint is not None:
            return endpoint == self.endpoint
        return endpoint.local in self.addresses or 0 < self.interface == endpoint.scope
