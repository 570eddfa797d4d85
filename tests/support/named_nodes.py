"""Names of nodes that a test gives."""

from collections.abc import Mapping
from typing import Final

from mycelium.node.names import Names
from sim.net.node_net import NodeNet


class NamedNodes(Names):
    """Names by address; nobody announces any."""

    def __init__(self, named: Mapping[bytes, str]) -> None:
        net = NodeNet()
        net.add("a")
        super().__init__(net.hosts["a"].node.routing, is_private=False)
        self._names = dict(named)
        self._nodes = {name: node for node, name in named.items()}


NOBODY: Final = NamedNodes({})
