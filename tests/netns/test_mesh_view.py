"""The links of all nodes of a square, as real daemons tell them to one of them: what it shows, and that it follows a cut."""

import msgspec
import pytest

from mycelium.admin.mesh import MeshInfo
from tests.lab.daemon import LabDaemon
from tests.lab.mesh import ring
from tests.lab.waiting import PATIENCE_S, wait_until
from tests.netns.conftest import GIVEN_LINKS, MakeMesh

pytestmark = pytest.mark.netns
SQUARE = ring("a", "b", "c", "d")


def test_one_node_shows_the_links_of_all_and_follows_a_cut_between_others(make_mesh: MakeMesh) -> None:
    mesh = make_mesh(SQUARE, options=(*GIVEN_LINKS, "--share-links", "all"))
    mesh["d"].options = list(
        GIVEN_LINKS
    )  # in the open network it keeps its links to itself unless it is told otherwise
    mesh.start()
    mesh.wait_converged()
    names = {daemon.address: name for name, daemon in mesh.daemons.items()}

    def seen() -> set[str]:
        """Returns the links, that end first that tells of it, and both orders for those of which both ends do."""
        nodes = view(mesh["a"]).nodes
        return {names[one] + names[other] for one, node in nodes.items() for other in node.links}

    def wait_for(links: str) -> None:
        wait_until(
            lambda: seen() == set(links.split()), PATIENCE_S, lambda: f"links {links}, of which there are {seen()}"
        )

    wait_for("ab ad ba bc cb cd")
    answers = {names[node]: one.answer for node, one in view(mesh["a"]).nodes.items()}
    assert answers == {"a": "own", "b": "told", "c": "told", "d": "refused"}
    mesh.cable("b", "c").cut()
    wait_for("ab ad ba cd")
    mesh.cable("b", "c").mend()
    wait_for("ab ad ba bc cb cd")


def view(daemon: LabDaemon) -> MeshInfo:
    return msgspec.convert(daemon.cli("mesh", "--wait", "0"), MeshInfo)
