"""What a node does that may run twice from now on, as after a snapshot of its machine was restored: it drops all keys.

The other copy has the same keys and counters, and would seal something else under the same nonces: whoever reads both learns
what is sealed, and can forge. Handshakes under way go too, since both copies would take the same answer.
"""

from mycelium.link.causes import MACHINE_COPIED
from mycelium.node.node import Node


def drop_keys(node: Node, *, now: float) -> None:
    """Has nothing more sealed or opened under keys that there are, and agrees new ones with everybody."""
    node.handshakes.drop_all(MACHINE_COPIED)
    for link in node.links.values():
        link.keypairs.expire(now=now)
        link.paths.keys_lost(MACHINE_COPIED, now=now)
    node.sessions.drop_keys(now=now)
    node.resumed(now=now)
