"""The simulator tells the truth: real daemons on the same graph choose the next hops that its nodes do."""

from pathlib import Path
from typing import Any, Final

import networkx
import pytest

from mycelium.routing.metric import PUBLISH_RATIO, link_cost
from sim.play.run import NODE, Run, RunSpec
from tests.lab.twin import NextHops, Twins
from tests.lab.waiting import wait_until
from tests.netns.conftest import MakeMesh

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

HERE: Final = Path(__file__).parent
NODES: Final = 20
AGREED_SECONDS: Final = 90.0
POLL_SECONDS: Final = 1.0  # asking twenty daemons more often would keep them busy
LATE_S: Final = 0.010  # how much longer a way may seem to real nodes than it is, beside what they don't tell of a cost


def test_real_daemons_choose_the_next_hops_that_the_simulator_foretells(make_mesh: MakeMesh) -> None:
    run = Run(RunSpec(f"file:{HERE}/twenty.txt", NODES, f"{HERE}/twin.toml", fidelity=NODE))
    twins = Twins(run, make_mesh)
    graph = run.graph.copy()
    moments = 0
    for action in twins.play():
        match action["what"]:
            case "cut":
                graph.remove_edge(*action["link"])
            case "mend":
                graph.add_edge(*action["link"], **run.graph.edges[action["link"]])
            case "settled":
                moments += 1
                assert_agreed(twins, {node: only_next_hops(graph, node) for node in graph})
    assert moments == 3


def assert_agreed(twins: Twins, expected: dict[int, NextHops]) -> None:
    """Compares what each node chooses in both worlds with what is right."""
    assert {node: twins.foretold(node) for node in expected} == expected
    wait_until(
        lambda: all(twins.chosen(node) == table for node, table in expected.items()),
        AGREED_SECONDS,
        lambda: f"daemons agree with the simulator: {differences(twins, expected)}",
        every_s=POLL_SECONDS,
    )


def differences(twins: Twins, expected: dict[int, NextHops]) -> list[str]:
    """Returns where daemons choose another next hop."""
    found = []
    for node, table in expected.items():
        chosen = twins.chosen(node)
        found += [
            f"{node} to {destination} by {chosen.get(destination)} instead of {hop}"
            for destination, hop in table.items()
            if chosen.get(destination) != hop
        ]
    return found


def only_next_hops(graph: "networkx.Graph[int]", node: int) -> NextHops:
    """Returns the best next hop of a node to each other one; fails where another is hardly worse."""
    ways: dict[int, list[tuple[int, int]]] = {other: [] for other in graph if other != node}
    for hop in graph[node]:
        metrics = networkx.single_source_dijkstra_path_length(graph, hop, weight=cost)
        for destination, metric in metrics.items():
            if destination != node:
                ways[destination].append((cost(node, hop, graph.edges[node, hop]) + metric, hop))
    for destination, found in ways.items():
        (best, _), *others = sorted(found)
        most = best * (1 + PUBLISH_RATIO) + link_cost(2 * LATE_S, 0.0)
        assert all(metric > most for metric, _ in others), f"from {node} to {destination} there are equals: {found}"
    return {destination: min(found)[1] for destination, found in ways.items()}


def cost(one: int, other: int, edge: dict[str, Any]) -> int:
    """Returns what nodes take a link to cost that loses nothing."""
    return link_cost(2 * edge["delay"], 0.0)
