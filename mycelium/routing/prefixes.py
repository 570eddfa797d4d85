"""Announced prefixes: which node owns an address by the longest match.

One hash table per prefix length that is in use, longest first, as the data path looks addresses up only after its tables of
nodes and /64s have missed.
"""

from collections.abc import Iterable

from mycelium.wire.announcement import Prefix

_ADDRESS_BITS = 128


class PrefixTable:
    """The prefixes of all nodes. Of several nodes with the same prefix, the first one owns it until it gives it up."""

    __slots__ = ("_by_length", "_of_node")

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, list[bytes]]] = {}  # length -> leading bits -> nodes, the owner first
        self._of_node: dict[bytes, set[tuple[int, int]]] = {}  # length, leading bits

    def assign(self, node: bytes, prefixes: Iterable[Prefix]) -> None:
        """Replaces all prefixes of a node."""
        wanted = {(length, _leading_bits(address, length)) for length, address in prefixes}
        held = self._of_node.pop(node, set())
        for length, bits in held - wanted:
            self._remove(node, length, bits)
        for length, bits in wanted - held:
            self._by_length.setdefault(length, {}).setdefault(bits, []).append(node)
        if wanted:
            self._of_node[node] = wanted
        self._by_length = dict(sorted(self._by_length.items(), reverse=True))

    def owner_of(self, address: bytes) -> bytes | None:
        """Returns the node that owns the longest prefix of a 16-byte address."""
        for length, nodes in self._by_length.items():
            found = nodes.get(_leading_bits(address, length))
            if found is not None:
                return found[0]
        return None

    def _remove(self, node: bytes, length: int, bits: int) -> None:
        nodes = self._by_length[length][bits]
        nodes.remove(node)
        if not nodes:
            del self._by_length[length][bits]
        if not self._by_length[length]:
            del self._by_length[length]


def _leading_bits(address: bytes, length: int) -> int:
    return int.from_bytes(address, "big") >> _ADDRESS_BITS - length
