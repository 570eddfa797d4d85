"""What all nodes tell of their links, for the API of a running node."""

from time import monotonic
from typing import NamedTuple

from mycelium.admin.mesh import LinkEndInfo, MeshNodeInfo
from mycelium.daemon.peers import Act
from mycelium.identity import address_text
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.wire.survey import LOSS_UNITS, ToldLink


class _Made(NamedTuple):
    """What was made for the operator, and of what."""

    answer: str
    links: tuple[ToldLink, ...]
    name: str | None
    address: str
    info: MeshNodeInfo


class LiveMesh:
    """Implements `admin.mesh.MeshControl`; `act` calls the node and carries out what it wants done."""

    def __init__(self, node: Node, names: Names, act: Act) -> None:
        self._node = node
        self._names = names
        self._act = act
        self._made: dict[bytes, _Made] = {}

    def look(self) -> dict[str, MeshNodeInfo]:
        """Returns what is known, and has nodes asked for some seconds."""
        now, survey = monotonic(), self._node.survey
        self._act(lambda now: survey.want(now=now))
        own, before = self._node.identity.address, self._made
        told = {own: ("own", survey.own_links(now=now))}
        told |= {node: (one.state.value, one.links) for node, one in survey.nodes.items()}
        self._made = {
            node: _made(before.get(node), node, answer, links, self._names.name_of(node, now=now))
            for node, (answer, links) in told.items()
        }
        return {one.address: one.info for one in self._made.values()}


def _made(before: _Made | None, node: bytes, answer: str, links: tuple[ToldLink, ...], name: str | None) -> _Made:
    """Returns what there is to show of a node, made anew only if something is different."""
    if before is not None and before[:3] == (answer, links, name):
        return before
    ends = {address_text(link.neighbour): _end(link) for link in links}
    return _Made(answer, links, name, address_text(node), MeshNodeInfo(answer, name, ends))


def _end(link: ToldLink) -> LinkEndInfo:
    return LinkEndInfo(
        cost=link.cost,
        rtt_ms=None if link.rtt_us is None else link.rtt_us / 1_000,
        loss=None if link.loss is None else link.loss / LOSS_UNITS,
        suspect=link.is_suspect,
    )
