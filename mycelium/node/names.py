"""Names of nodes: what each announces of itself in a private network, and one that each has from its address.

Of nodes with one name, the one that this node heard of first has it; others have the first four digits of their address behind
it, as in berlin-4fc4. In the open network, where anybody could call itself anything, no name is believed.
"""

import re
from base64 import b32encode
from collections.abc import Iterable, Mapping
from math import inf
from typing import Final

from mycelium.limits import NAME_BYTES
from mycelium.routing.engine import RoutingEngine

ADDRESS_NAME_CHARACTERS: Final = 12
FRESH_S: Final = 1.0  # for how long names are not looked at again

_NAME: Final = re.compile(r"(?!-)[a-z0-9-]+(?<!-)")


def is_name(text: str) -> bool:
    """Tells whether a node can have this name: it must be a label of the DNS, in lower case."""
    return len(text) <= NAME_BYTES and _NAME.fullmatch(text) is not None


def address_name(node: bytes) -> str:
    """Returns the name that a node has from its address, in any network: 60 bits of the hash of its key in base32."""
    return b32encode(node[1:9]).decode().lower()[:ADDRESS_NAME_CHARACTERS]


class Names:
    """The names of the nodes that this one has a route to, and its own."""

    def __init__(self, routing: RoutingEngine, *, is_private: bool) -> None:
        self._routing = routing
        self.is_private = is_private  # else no node has a name but that from its address
        self._made_at = -inf
        self._by_address_made_at = -inf
        self._by_address: dict[str, bytes] = {}
        self._nodes: dict[str, bytes] = {}
        self._names: dict[bytes, str] = {}

    def nodes(self, *, now: float) -> Mapping[str, bytes]:
        """Returns the node of each name, those that were heard of first in front."""
        self._refresh(now=now)
        return self._nodes

    def name_of(self, node: bytes, *, now: float) -> str | None:
        """Returns the name of a node, None for one without."""
        self._refresh(now=now)
        return self._names.get(node)

    def find(self, name: str, *, now: float) -> bytes | None:
        """Returns the node with a name, announced or from its address."""
        return self.nodes(now=now).get(name) or self.find_by_address(name, now=now)

    def find_by_address(self, name: str, *, now: float) -> bytes | None:
        """Returns the node that has a name from its address."""
        if len(name) != ADDRESS_NAME_CHARACTERS:
            return None
        if now >= self._by_address_made_at + FRESH_S:
            self._by_address_made_at = now
            self._by_address = {address_name(node): node for node, _ in self._routing.names()}
        return self._by_address.get(name)

    def _refresh(self, *, now: float) -> None:
        if self.is_private and now >= self._made_at + FRESH_S:
            self._made_at = now
            self._nodes = distinct(self._routing.names())
            self._names = {node: name for name, node in self._nodes.items()}


def distinct(announced: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Returns the node of each name, of what nodes announce; what can be no name is left out."""
    nodes: dict[str, bytes] = {}
    for node, raw in announced:
        name = raw.decode("ascii", errors="replace")
        if raw and is_name(name):
            if name in nodes:
                name = f"{name[: NAME_BYTES - 5]}-{node.hex()[1:5]}"
            nodes.setdefault(name, node)
    return nodes
