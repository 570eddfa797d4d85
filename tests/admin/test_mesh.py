"""The links of a mesh, of what its nodes tell."""

from mycelium.admin.mesh import LinkEndInfo, MeshInfo, MeshLink, MeshNodeInfo
from tests.api.fake_mesh import HERE, QUIET, THERE, FakeMeshView

NODES = FakeMeshView().nodes


def test_each_link_is_there_once_with_what_both_ends_tell() -> None:
    found = list(MeshInfo(NODES).links())
    assert found == [
        MeshLink(THERE, HERE, NODES[THERE].links[HERE], NODES[HERE].links[THERE]),
        MeshLink(THERE, QUIET, NODES[THERE].links[QUIET], None),
    ]


def test_a_link_with_a_node_that_is_not_there_is_left_out() -> None:
    nodes = {HERE: MeshNodeInfo("own", None, {"400::7": LinkEndInfo()})}
    assert list(MeshInfo(nodes).links()) == []


def test_a_mesh_waits_while_one_node_has_not_answered() -> None:
    assert not MeshInfo(NODES).is_waiting
    assert MeshInfo(NODES | {QUIET: MeshNodeInfo("waiting")}).is_waiting
