"""What an operator decides about a node's protocol."""

from msgspec import Struct

from mycelium.errors import LocalError
from mycelium.limits import NAME_BYTES, PREFIXES_PER_NODE, ROUTES
from mycelium.routing.parameters import RoutingParameters
from mycelium.wire.announcement import Prefix


class NodeSettings(Struct, frozen=True, kw_only=True):
    """The settings of one node; raises LocalError for prefixes that no announcement can hold."""

    psk: bytes = bytes(32)  # pre-shared key of a private network
    network_id: bytes = bytes(8)
    prefixes: tuple[Prefix, ...] = ()  # announced beside the own /64
    name: bytes = b""  # announced; for private networks
    shortcuts: bool = True  # direct links with nodes whose packets pass relays
    answers_speed_tests: bool = True
    tells_links: bool = False  # to nodes that ask for them
    routing: RoutingParameters = RoutingParameters(scope=ROUTES)
    suites: int  # ciphers that this machine is quick at, SUITE_* of `wire.datagram`

    def __post_init__(self) -> None:
        if len(self.prefixes) > PREFIXES_PER_NODE:
            raise LocalError(f"a node announces at most {PREFIXES_PER_NODE} prefixes, not {len(self.prefixes)}")
        if len(self.name) > NAME_BYTES:
            raise LocalError(f"a name has at most {NAME_BYTES} bytes, not {len(self.name)}")
        for length, address in self.prefixes:
            if not 0 <= length <= 8 * len(address) == 128:
                raise LocalError(f"'{address.hex()}/{length}' is not an IPv6 prefix")
