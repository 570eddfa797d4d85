"""An event loop that lives in virtual time."""

import asyncio

from sim.net.node_net import NodeNet


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is that of a virtual network, so that no time-out depends on how busy this host is."""

    def __init__(self, net: NodeNet) -> None:
        super().__init__()
        self._net = net

    def time(self) -> float:
        return self._net.now
