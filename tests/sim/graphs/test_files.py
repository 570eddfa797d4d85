"""Topologies from files: each format gives the same graph, and each defect its own words."""

import contextlib
import json
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.errors import ConfigError
from sim.graphs.topology import make_topology

GRAPHML = """<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="d0" for="node" attr.name="Latitude" attr.type="double"/>
<key id="d1" for="node" attr.name="Longitude" attr.type="double"/>
<graph edgedefault="undirected">
<node id="paris"><data key="d0">48.86</data><data key="d1">2.35</data></node>
<node id="tokyo"><data key="d0">35.68</data><data key="d1">139.69</data></node>
<edge source="paris" target="tokyo"/>
</graph></graphml>"""


def write(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content)
    return f"file:{path}"


def load(folder: Path, name: str, content: str) -> nx.Graph:
    return make_topology(write(folder, name, content), 0, 1)


def test_an_edge_list_with_delays_and_comments_is_read(tmp_path: Path) -> None:
    graph = load(tmp_path, "mesh.txt", "# a mesh\na b 0.004\nb,c\n\nc a 0.002 # short\n")
    assert [graph.nodes[node]["name"] for node in graph] == ["a", "b", "c"]
    assert graph.edges[0, 1]["delay"] == 0.004
    assert graph.edges[0, 2]["delay"] == 0.002
    assert 0.001 <= graph.edges[1, 2]["delay"] <= 0.05


def test_nodes_that_are_numbered_keep_their_numbers(tmp_path: Path) -> None:
    graph = load(tmp_path, "mesh.edges", "2 10\n10 0\n0 1\n")
    assert [graph.nodes[node]["name"] for node in graph] == ["0", "1", "2", "10"]


def test_the_meshnet_lab_form_is_read(tmp_path: Path) -> None:
    document = {
        "nodes": [{"id": "x", "x": 1, "y": 2.5}, {"id": "y"}],
        "links": [{"source": "x", "target": "y", "source_tq": 0.5, "cost": 300}],
    }
    graph = load(tmp_path, "mesh.json", json.dumps(document))
    assert graph.nodes[0] == {"name": "x", "pos": (1.0, 2.5)}
    assert graph.edges[0, 1]["cost"] == 300


@pytest.mark.parametrize("key", ["links", "edges"])
def test_what_networkx_writes_as_node_link_is_read_back(tmp_path: Path, key: str) -> None:
    original = make_topology("geometric", 30, 5)
    graph = load(tmp_path, "mesh.json", json.dumps(nx.node_link_data(original, edges=key)))
    assert list(graph.edges(data="delay")) == list(original.edges(data="delay"))
    assert list(graph.nodes(data="pos")) == list(original.nodes(data="pos"))


def test_what_networkx_writes_as_graphml_is_read_back(tmp_path: Path) -> None:
    original = make_topology("ba", 30, 5)
    graph = load(tmp_path, "mesh.graphml", "\n".join(nx.generate_graphml(original)))
    assert list(graph.edges(data="delay")) == list(original.edges(data="delay"))


def test_delay_follows_from_coordinates_on_the_globe(tmp_path: Path) -> None:
    graph = load(tmp_path, "zoo.graphml", GRAPHML)
    assert graph.edges[0, 1]["delay"] == pytest.approx(9_712 / 200_000, rel=0.01)
    assert graph.nodes[0]["pos"] == (2.35, 48.86)


def test_of_parallel_links_the_quickest_stays(tmp_path: Path) -> None:
    for lines in ("a b 0.004\nb a 0.002\n", "a b 0.002\nb a 0.004\n"):
        assert load(tmp_path, "mesh.txt", lines).edges[0, 1]["delay"] == 0.002


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("mesh.txt", "a b\nc\n", "line 2: not two names"),
        ("mesh.txt", "a b fast\n", "line 1: 'fast' is not a delay"),
        ("mesh.txt", "a b -1\n", "line 1: delay is -1.0, not a number between"),
        ("mesh.txt", "a b nan\n", "line 1: delay is nan"),
        ("mesh.txt", "a a\n", "line 1: joins 'a' to itself"),
        ("mesh.txt", "a b\nc d\nd e\n", "has 2 separate parts, the largest with 3 nodes"),
        ("mesh.txt", "", "2 to 20000 nodes, not 0"),
        ("mesh.json", "{", "mesh.json: "),
        ("mesh.json", "[]", "Expected `object`"),
        ("mesh.json", '{"nodes":[{}]}', "node 1: 'id' is missing"),
        ("mesh.json", '{"nodes":[{"id":1},{"id":"1"}]}', "node 2: the id '1' is not unique"),
        ("mesh.json", '{"nodes":[{"id":1}],"links":[{"source":1,"target":2}]}', "link 1: '2' is not a node"),
        ("mesh.json", '{"links":[{"source":1,"target":2,"cost":0}]}', "link 1: cost is 0"),
        ("mesh.json", '{"nodes":[{"id":1,"pos":[1]}]}', "node '1': 'pos' is not a pair"),
        ("mesh.graphml", "<graphml", "mesh.graphml: "),
        ("mesh.graphml", "<html></html>", "mesh.graphml: "),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, name, content)
    assert complaint in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mesh.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        make_topology(f"file:{tmp_path / 'mesh.json'}", 0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["nodes", "links", "id", "source", "target", "pos", "delay", "lat"]), inner)
    ),
)


@given(content=st.text(max_size=40) | JSON.map(json.dumps), ending=st.sampled_from(["json", "graphml", "txt"]))
def test_any_content_is_a_graph_or_a_clear_refusal(folder: Path, content: str, ending: str) -> None:
    (folder / f"any.{ending}").write_text(content)
    with contextlib.suppress(ConfigError):
        make_topology(f"file:{folder / f'any.{ending}'}", 0, 1)
