"""Why a route is chosen: each candidate's verdict is what selection really went by, in whatever state the engine is."""

import random

import networkx

from mycelium.routing.engine import RoutingEngine
from mycelium.routing.explain import Explanation, RouteCandidate, Verdict
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.wire.distance import INFINITY
from tests.routing.checked_mesh import CheckedMesh
from tests.routing.engines import address
from tests.routing.lab import RoutingLab, retraction, seq, update

FAR = 9
STATES = 10_000


def explained(lab: RoutingLab, about: int = FAR) -> Explanation:
    found = lab.engine.explain(address(about), now=lab.now)
    assert found is not None
    return found


def verdicts(lab: RoutingLab) -> dict[int, Verdict]:
    return {int.from_bytes(one.neighbour[2:8], "big"): one.verdict for one in explained(lab).candidates}


def candidate(lab: RoutingLab, name: int) -> RouteCandidate:
    return next(one for one in explained(lab).candidates if one.neighbour == address(name))


def test_the_chosen_one_comes_first_and_the_others_say_how_long_they_are() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 300))
    lab.says(2, update(FAR, 100))
    lab.says(3, update(FAR, 200))
    found = explained(lab)
    assert [(one.neighbour, one.verdict, one.metric) for one in found.candidates] == [
        (address(2), Verdict.CHOSEN, 110),
        (address(3), Verdict.LONGER, 210),
        (address(1), Verdict.LONGER, 310),
    ]
    assert (found.next_hop, found.metric) == (address(2), 110)
    assert (found.candidates[0].link_cost, found.candidates[0].advertised, found.candidates[0].sequence) == (
        10,
        100,
        seq(),
    )


def test_it_is_known_since_when_a_next_hop_is_chosen() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    chosen_at = lab.now
    lab.says(1, update(FAR, 300))
    lab.wait(5.0)
    lab.says(1, update(FAR, 250))
    assert explained(lab).chosen_at == chosen_at, "a better metric is no other choice"
    lab.says(2, update(FAR, 100))
    assert explained(lab).chosen_at == lab.now
    lab.down(1)
    lab.down(2)
    found = explained(lab)
    assert (found.next_hop, found.metric, found.chosen_at, found.candidates) == (None, INFINITY, None, ())


def test_what_keeps_each_route_from_being_chosen_is_named() -> None:
    lab = RoutingLab()
    lab.up(1, 2, 3)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 200))
    lab.says(3, update(FAR, 50))
    lab.flush()
    assert verdicts(lab) == {3: Verdict.CHOSEN, 1: Verdict.LONGER, 2: Verdict.LONGER}
    lab.engine.neighbour_suspect(address(3), True, now=lab.now)
    assert verdicts(lab) == {3: Verdict.SUSPECTED, 1: Verdict.UNFEASIBLE, 2: Verdict.UNFEASIBLE}
    found = explained(lab)
    assert found.feasibility == (seq(), 60)
    assert candidate(lab, 3).metric == INFINITY
    assert found.is_requesting
    lab.says(1, retraction(FAR))
    assert verdicts(lab)[1] is Verdict.RETRACTED
    assert (candidate(lab, 1).metric, candidate(lab, 1).advertised) == (INFINITY, 100)


def test_a_flapping_link_that_would_be_shorter_is_named_and_for_how_long() -> None:
    lab = RoutingLab()
    lab.up(1, cost=500)
    for _ in range(3):
        lab.up(2)
        lab.down(2)
    lab.up(2)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 100))
    damped = candidate(lab, 2)
    assert damped.verdict is Verdict.DAMPED
    assert damped.metric == 110 + DAMPED_COST
    assert 0 < damped.damped_s <= 1.0
    lab.wait(damped.damped_s)
    assert (candidate(lab, 2).verdict, candidate(lab, 2).damped_s) == (Verdict.CHOSEN, 0.0)


def test_a_flapping_link_that_would_be_longer_is_longer() -> None:
    lab = RoutingLab()
    lab.up(1)
    for _ in range(3):
        lab.up(2)
        lab.down(2)
    lab.up(2)
    lab.says(1, update(FAR, 100))
    lab.says(2, update(FAR, 500))
    assert candidate(lab, 2).verdict is Verdict.LONGER


def test_a_kept_route_may_be_unfeasible() -> None:
    lab = RoutingLab()
    lab.up(1, 2)
    lab.says(1, update(FAR, 100))
    lab.flush()  # told to 2: feasibility distance 110
    lab.says(1, update(FAR, 500))
    kept = candidate(lab, 1)
    assert (kept.verdict, kept.is_feasible) == (Verdict.CHOSEN, False)


def test_nothing_is_explained_of_this_node_and_of_strangers() -> None:
    lab = RoutingLab()
    assert lab.engine.explain(address(0), now=lab.now) is None
    assert lab.engine.explain(address(FAR), now=lab.now) is None


class ExplainedMesh(CheckedMesh):
    """A mesh in which each choice of a node is explained after each of its events."""

    states = 0

    def check_node(self, node: int) -> None:
        super().check_node(node)
        check_explanations(self._engine(node), now=self.now)
        self.states += 1


def check_explanations(engine: RoutingEngine, *, now: float) -> None:
    """Compares what is told of each route with the forwarding table, and each verdict with the figures beside it."""
    for node in engine.nodes():
        found = engine.explain(node, now=now)
        entry = engine.forwarding.next_hop.get(node)
        if found is None:
            assert entry is None
            continue
        assert found.next_hop == entry
        assert [one.neighbour for one in found.candidates if one.verdict is Verdict.CHOSEN] == (
            [entry] if entry else []
        )
        for one in found.candidates:
            check_verdict(one, found)


def check_verdict(one: RouteCandidate, found: Explanation) -> None:
    match one.verdict:
        case Verdict.CHOSEN:
            assert one.metric == found.metric < INFINITY
        case Verdict.LONGER:
            assert one.metric >= found.metric
        case Verdict.DAMPED:
            assert one.metric - DAMPED_COST < found.metric <= one.metric
            assert one.damped_s > 0
        case Verdict.UNFEASIBLE:
            assert one.metric < found.metric
            assert not one.is_feasible
            assert found.feasibility is not None
            assert (-one.sequence, one.advertised) >= (-found.feasibility[0], found.feasibility[1])
        case Verdict.AVOIDED:
            assert one.advertised + one.link_cost < found.metric <= one.metric or not one.is_feasible
        case Verdict.SUSPECTED | Verdict.RETRACTED:
            assert one.metric == INFINITY


def test_what_is_told_is_true_in_ten_thousand_states() -> None:
    states = seed = 0
    told: set[Verdict] = set()
    while states < STATES:
        seed += 1
        states += explore(seed, told)
    assert told == set(Verdict)


def flap(mesh: ExplainedMesh, one: int, other: int) -> None:
    """Cuts and mends a link again and again."""
    for _ in range(4):
        mesh.cut(one, other)
        mesh.pass_time(0.35)  # until both ends have noticed
        mesh.connect(one, other, 1)
        mesh.pass_time(0.05)


def explore(seed: int, told: set[Verdict]) -> int:
    """Has things happen to a mesh; returns in how many states it was looked at."""
    rng = random.Random(seed)
    graph = networkx.gnm_random_graph(8, 14, seed=seed)
    mesh = ExplainedMesh(graph, seed=seed)
    for one, other in graph.edges:
        mesh.connect(one, other, rng.randint(1, 60), rng.randint(1, 60))
    for _ in range(40):
        one, other = rng.choice(list(mesh.links))
        match rng.choice(("cut", "connect", "connect", "cost", "suspect", "trust", "restart", "flap", "avoid")):
            case "cut":
                mesh.cut(one, other)
            case "connect":
                mesh.connect(one, other, rng.randint(1, 60), rng.randint(1, 60))
            case "flap":
                flap(mesh, one, other)
            case "cost":
                mesh.set_cost(one, other, rng.randint(1, 60))
            case "avoid":
                mesh.avoid(one, rng.choice((other, rng.randrange(8))), other, rng.random() < 0.7)
            case "suspect":
                mesh.suspect(one, other, True)
            case "trust":
                mesh.suspect(one, other, False)
            case "restart" if rng.random() < 0.2:
                mesh.restart(one, epoch=seed + 1)
        mesh.pass_time(rng.uniform(0, 0.1))
        for engine in mesh.engines.values():
            found = (engine.explain(node, now=mesh.now) for node in engine.nodes())
            told.update(one.verdict for each in found if each for one in each.candidates)
    return mesh.states
