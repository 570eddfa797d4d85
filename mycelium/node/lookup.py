"""Finds the node that an operator means by a text."""

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from mycelium.errors import LocalError
from mycelium.identity import PUBLIC_KEY_BYTES, address_of_exchange_key
from mycelium.routing.engine import RoutingEngine

_MOST_NAMED: Final = 3  # nodes in an error
SUBNET: Final = "/64"  # behind a subnet, as people write it


def find_node(text: str, routing: RoutingEngine, others: Iterable[bytes] = ()) -> bytes:
    """Returns the known node with an address, a subnet or a key, or the only one whose address begins so; raises LocalError.

    `others` are nodes that are known though routing does not have them.
    """
    known = {*routing.nodes(), *others}
    wanted = text.strip().lower().removesuffix(SUBNET)
    address = address_meant(wanted)
    if address is not None:
        return _checked(text, address if address in known else routing.forwarding.owner_of(address))
    fitting = [str(IPv6Address(node)) for node in known]
    fitting = sorted(one for one in fitting if wanted and one.startswith(wanted))
    if len(fitting) > 1:
        named = ", ".join(fitting[:_MOST_NAMED]) + (", …" if len(fitting) > _MOST_NAMED else "")
        raise LocalError(f"{len(fitting)} nodes have addresses that begin with {text!r}: {named}")
    return _checked(text, IPv6Address(fitting[0]).packed if fitting else None)


def _checked(text: str, node: bytes | None) -> bytes:
    if node is None:
        raise LocalError(f"{text!r} is no node that this one knows, nor the beginning of the address of one")
    return node


def address_meant(text: str) -> bytes | None:
    """Returns the address that a text is, or that belongs to the key that it is."""
    try:
        key = bytes.fromhex(text)
        return address_of_exchange_key(key) if len(key) == PUBLIC_KEY_BYTES else None
    except ValueError:
        pass
    try:
        return IPv6Address(text).packed
    except AddressValueError:
        return None
