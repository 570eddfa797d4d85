"""Whatever happens to a small network in whatever order: no loop at any instant, and the shortest paths once it is quiet.

`CheckedMesh` checks I1 to I4 after every event; `settle` checks I5 to I7. Restarts with lost memory, clocks set back,
partitions and false suspicions (I8) are rules like any other.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.routing.checked_mesh import CheckedMesh
from tests.support.examples import examples

NAMES = range(6)
NODES = st.sampled_from(NAMES)
PAIRS = st.tuples(NODES, NODES).filter(lambda pair: pair[0] != pair[1])
COSTS = st.integers(1, 60)


class NetworkMachine(RuleBasedStateMachine):
    """Random events on six nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.network = CheckedMesh(NAMES)
        self.epoch = 1

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        links=st.lists(st.tuples(PAIRS, COSTS, COSTS), max_size=12, unique_by=lambda link: tuple(sorted(link[0]))),
    )
    def begin(self, seed: int, links: list[tuple[tuple[int, int], int, int]]) -> None:
        self.network = CheckedMesh(NAMES, seed=seed)
        for (one, other), cost, back in links:
            self.network.connect(one, other, cost, back)

    @rule(pair=PAIRS, cost=COSTS, back=COSTS)
    def connect_or_mend(self, pair: tuple[int, int], cost: int, back: int) -> None:
        self.network.connect(*pair, cost, back)

    @rule(pair=PAIRS)
    def cut(self, pair: tuple[int, int]) -> None:
        if (min(pair), max(pair)) in self.network.links:
            self.network.cut(*pair)

    @rule(pair=PAIRS, cost=COSTS)
    def change_cost(self, pair: tuple[int, int], cost: int) -> None:
        if (min(pair), max(pair)) in self.network.links:
            self.network.set_cost(*pair, cost)

    @rule(pair=PAIRS, suspected=st.booleans())
    def suspect_or_trust(self, pair: tuple[int, int], suspected: bool) -> None:
        self.network.suspect(*pair, suspected)

    @rule(pair=PAIRS, destination=NODES, avoided=st.booleans())
    def avoid_or_try_again(self, pair: tuple[int, int], destination: int, avoided: bool) -> None:
        if destination != pair[0]:
            self.network.avoid(pair[0], destination, pair[1], avoided)

    @rule(node=NODES, step=st.sampled_from([1, 1, 1, 0, -1]))
    def restart_with_memory_lost(self, node: int, step: int) -> None:
        self.epoch = max(1, self.epoch + step)
        self.network.restart(node, epoch=self.epoch)

    @rule(side=st.sets(NODES, min_size=1, max_size=3))
    def partition(self, side: set[int]) -> None:
        for low, high in list(self.network.links):
            if (low in side) != (high in side):
                self.network.cut(low, high)

    @rule(seconds=st.sampled_from([0.001, 0.005, 0.02, 0.1, 0.5]))
    def let_time_pass(self, seconds: float) -> None:
        self.network.pass_time(seconds)

    @rule()
    def settle(self) -> None:
        self.network.believe_all()
        self.network.settle()

    def teardown(self) -> None:
        self.settle()


NetworkMachine.TestCase.settings = settings(max_examples=examples(150), stateful_step_count=40)
TestNetworkMachine = NetworkMachine.TestCase
