"""What meshes of both fidelities share."""

import pytest

from mycelium.routing.metric import link_cost
from sim.net.mesh import FIRST_EPOCH, Mesh
from sim.net.routing_mesh import RoutingMesh, RoutingSettings


@pytest.fixture
def mesh() -> Mesh:
    return RoutingMesh(seed=1, link_defaults={"loss": 0.1}, settings=RoutingSettings())


def test_a_link_is_added_closed_with_the_defaults_of_the_mesh(mesh: Mesh) -> None:
    link = mesh.add_link(5, 2, delay_s=0.01)
    assert (link.low, link.high, link.is_open) == (2, 5, False)
    assert link.directions[5].model.loss == 0.1
    assert mesh.link(2, 5) is mesh.link(5, 2) is link
    mesh.start(2)
    mesh.start(5)
    mesh.remove_link(5, 2)
    with pytest.raises(KeyError):
        mesh.link(2, 5)


def test_a_link_costs_what_its_ends_say_or_what_its_model_gives(mesh: Mesh) -> None:
    link = mesh.add_link(0, 1, delay_s=0.01)
    assert mesh.cost_of(link, 0) == link_cost(0.02, 1 - 0.9**2)
    link.directions[0].cost = 7
    assert mesh.cost_of(link, 0) == 7
    assert mesh.cost_of(link, 1) == link_cost(0.02, 1 - 0.9**2)


def test_random_generators_depend_on_the_seed_and_the_purpose_only(mesh: Mesh) -> None:
    draws = [mesh.rng(purpose).random() for purpose in ("one", "other", "one")]
    assert draws[0] == draws[2] != draws[1]


def test_epochs_grow_with_every_start_and_with_time(mesh: Mesh) -> None:
    mesh.start(0)
    assert mesh.epochs[0] == FIRST_EPOCH
    mesh.stop(0)
    assert mesh.next_epoch(0) == FIRST_EPOCH + 1
    mesh.run(10.0)
    assert mesh.next_epoch(0) == FIRST_EPOCH + 10


def test_the_graph_has_running_nodes_and_open_links(mesh: Mesh) -> None:
    for one, other in ((0, 1), (1, 2), (0, 2)):
        mesh.add_link(one, other, delay_s=0.01).open()
    for node in (2, 0, 1):
        mesh.start(node)
    assert list(mesh.running()) == [0, 1, 2]
    mesh.cut(0, 1)
    mesh.stop(2)
    assert list(mesh.running()) == [0, 1]
    assert (sorted(mesh.graph()), list(mesh.graph().edges)) == ([0, 1], [])
