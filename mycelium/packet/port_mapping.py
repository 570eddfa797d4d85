"""A port that a router passes on to this host, in whichever protocol it was asked for."""

from typing import Final, NamedTuple

PORT_CONTROL_PORT: Final = 5351  # of NAT-PMP and PCP servers
UDP_PROTOCOL: Final = 17  # number of the Internet protocol


class PortMapping(NamedTuple):
    """The outside address of a mapped port, and for how long the router keeps it, in seconds."""

    host: str
    port: int
    lifetime_s: int
