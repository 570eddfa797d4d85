"""How scenarios choose nodes, links and pairs."""

import pytest

from mycelium.errors import ConfigError
from sim.play.choice import carrying_links, links_by_name, nodes_by_name, pairs, pairs_across
from sim.play.stage import Stage
from tests.sim.play.support import make_stage, settled_stage


@pytest.fixture(scope="module")
def star() -> Stage:
    return settled_stage("star", 5)


@pytest.fixture(scope="module")
def ring() -> Stage:
    """A ring of five nodes with the link 0-1 cut."""
    stage = settled_stage("ring", 5)
    stage.mesh.cut(0, 1)
    stage.chosen = [(2, 3)]
    list(stage.settle(within_s=30.0))
    return stage


def test_nodes_are_chosen_by_number_by_degree_and_by_the_chosen_links(star: Stage, ring: Stage) -> None:
    assert nodes_by_name(star, 3) == [3]
    assert nodes_by_name(star, "hub") == [0]
    assert nodes_by_name(star, "hub", 2) == [0, 1]
    assert nodes_by_name(ring, "ends") == [2, 3]


def test_the_landmark_that_most_have_as_their_home_is_chosen(star: Stage) -> None:
    stage = settled_stage("ba:m=2", 40, scope=8, landmark_after_s=0.0, landmark_wait_s=0.1, home_s=0.1)
    first, second = nodes_by_name(stage, "landmark", 2)
    homes = [engine.home for node in stage.mesh.running() if (engine := stage.mesh.engine(node)) is not None]
    assert homes.count(stage.mesh.address(first)) >= homes.count(stage.mesh.address(second)) > 0
    with pytest.raises(ConfigError, match="no node is anybody's home"):
        nodes_by_name(star, "landmark")


def test_random_nodes_are_different_running_ones(star: Stage) -> None:
    assert sorted(nodes_by_name(star, "random", 99)) == [0, 1, 2, 3, 4]
    assert len(set(nodes_by_name(star, "random", 3))) == 3


def test_links_are_chosen_by_their_ends_and_by_their_state(ring: Stage) -> None:
    assert links_by_name(ring, [1, 0]) == [(0, 1)]
    assert links_by_name(ring, "cut") == [(0, 1)]
    assert links_by_name(ring, "chosen") == [(2, 3)]
    assert len(links_by_name(ring, "all")) == 5
    assert (0, 1) not in links_by_name(ring, "random", 5)
    assert len(links_by_name(ring, "random", 5)) == 4


@pytest.mark.parametrize("name", [9, "middle", None])
def test_an_unknown_node_is_an_error(star: Stage, name: object) -> None:
    with pytest.raises(ConfigError, match="node"):
        nodes_by_name(star, name)


@pytest.mark.parametrize("name", [[1, 2], [1, 2, 3], "middle", None])
def test_an_unknown_link_is_an_error(star: Stage, name: object) -> None:
    with pytest.raises(ConfigError, match="link"):
        links_by_name(star, name)


def test_busy_links_are_never_bridges(star: Stage) -> None:
    stage = settled_stage("ring", 4)
    stage.mesh.add_link(0, 9, delay_s=0.01).open()
    stage.mesh.start(9)
    list(stage.settle(within_s=30.0))
    assert (0, 9) not in carrying_links(stage, 9)
    with pytest.raises(ConfigError, match="bridge"):
        carrying_links(star, 1)


def test_pairs_are_different_nodes_and_those_across_a_link_use_it(ring: Stage) -> None:
    assert all(one != other for one, other in pairs(ring, 50))
    assert sorted(pairs_across(ring, [(1, 2)], 99)) == sorted(
        [(1, n) for n in (0, 2, 3, 4)] + [(n, 1) for n in (0, 2, 3, 4)]
    )
    assert len(pairs_across(ring, [(1, 2)], 3)) == 3
    with pytest.raises(ConfigError, match="two running nodes"):
        pairs(make_stage(), 1)
