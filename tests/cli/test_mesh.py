"""`mycelium mesh`: a row for each link, and who has not told."""

import json
from pathlib import Path

import pytest

from mycelium.admin.mesh import MeshNodeInfo
from mycelium.cli.main import main
from tests.api.fake_mesh import HERE, QUIET, THERE
from tests.api.support import FakeNode, unix
from tests.cli.support import served

Capture = pytest.CaptureFixture[str]


def test_each_link_has_a_row_with_what_both_ends_measure(daemon: str, capsys: Capture) -> None:
    assert main(["mesh", "--api-addr", daemon]) == 0
    heading, first, second, told = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "Node",
        "Node",
        "RTT",
        "ms",
        "here",
        *["There", "Loss", "here"],
        *["There", "Cost", "here"],
        "There",
    ]
    assert first.split() == [THERE, "berlin", "1.50", "1.25", "0.0%", "1.0%", "1.25", "1.20"]
    assert second.split() == [THERE, "oslo", "suspect", "-", "-", "-", "3.00", "-"]
    assert told == "Links kept secret (share_links says so there): oslo."


def test_json_has_what_each_node_tells(daemon: str, capsys: Capture) -> None:
    assert main(["mesh", "--json", "--wait", "0", "--api-addr", daemon]) == 0
    told = json.loads(capsys.readouterr().out)["nodes"]
    assert list(told) == [HERE, THERE, QUIET]
    assert told[THERE]["links"][HERE] == {"cost": 125, "rttMs": 1.5, "loss": 0.0}
    assert told[QUIET] == {"answer": "refused", "name": "oslo", "links": {}}


def test_of_many_nodes_without_an_answer_some_are_named(tmp_path: Path, capsys: Capture) -> None:
    node = FakeNode()
    node.mesh.nodes |= {f"400::{number}": MeshNodeInfo("silent") for number in range(1, 8)}
    node.mesh.nodes |= {"400::9": MeshNodeInfo("waiting")}
    with served(node, unix(tmp_path)) as address:
        assert main(["mesh", "--wait", "0", "--api-addr", str(address)]) == 0
    out = capsys.readouterr().out
    assert "No answer: 400::1, 400::2, 400::3, 400::4, 400::5, 2 more.\n" in out
    assert "Not answered yet: 400::9. Try again, or wait longer (--wait).\n" in out
