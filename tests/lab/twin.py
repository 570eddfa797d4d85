"""One scenario in two worlds: the simulator plays it, and a mesh of real daemons is done to as the simulator's is."""

from collections.abc import Callable, Iterator
from typing import Any

from sim.net.node_mesh import identity_seed
from sim.play.run import Run
from tests.lab.cable_emulator import delays
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import DaemonMesh

NextHops = dict[int, int]  # destination -> next hop


class Twins:
    """The simulator's mesh and its twin of real daemons: the same keys, links and delays."""

    def __init__(self, run: Run, make_mesh: Callable[..., DaemonMesh]) -> None:
        self.run = run
        graph = run.graph
        self.daemons = make_mesh(
            [(_name(one), _name(other)) for one, other in graph.edges],
            options=["--no-tun"],
            traits=delays(*(delay_s for _, _, delay_s in graph.edges.data("delay"))),
            seeds={_name(node): identity_seed(run.spec.seed, node) for node in graph},
        )
        self._nodes = {daemon.address: node for node, daemon in self._numbered()}
        self._destinations = {daemon.subnet: node for node, daemon in self._numbered()}

    def _numbered(self) -> Iterator[tuple[int, LabDaemon]]:
        return ((node, self.daemons[_name(node)]) for node in self.run.graph)

    def play(self) -> Iterator[dict[str, Any]]:
        """Plays the scenario, has the daemons follow, and yields each action, done to both."""
        for record in self.run.records():
            if record["type"] == "action":
                self._follow(record)
                yield record

    def _follow(self, action: dict[str, Any]) -> None:
        match action:
            case {"what": "start"}:
                self.daemons.start()
            case {"what": "cut", "link": [one, other], "one_way": one_way}:
                towards = self.daemons[_name(other)].host if one_way else None
                self.daemons.cable(_name(one), _name(other)).cut(towards=towards)
            case {"what": "mend", "link": [one, other]}:
                self.daemons.cable(_name(one), _name(other)).mend()
            case {"what": what}:
                assert what in ("settled", "link lost"), f"real daemons can't {what}"

    def foretold(self, node: int) -> NextHops:
        """Returns the next hops of a node in the simulator."""
        mesh = self.run.stage.mesh
        table = mesh.tables[mesh.address(node)]
        return {mesh.index_of[destination]: mesh.index_of[hop] for destination, hop in table.items()}

    def chosen(self, node: int) -> NextHops:
        """Returns the next hops of a real daemon."""
        table = self.daemons[_name(node)].next_hops()
        return {self._destinations[subnet]: self._nodes[hop] for subnet, hop in table.items()}


def _name(node: int) -> str:
    return f"n{node}"
