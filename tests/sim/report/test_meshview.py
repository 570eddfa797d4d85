"""The map in the page of a report: what it is told, and that it needs nothing else."""

import json
import re
from typing import Any

from sim.report.meshview import COLOURS, map_section
from sim.report.report import collect

EDGES = [[0, 1, 0.01, "up"], [1, 2, 0.02, "down"], [0, 2, 0.03, "up"]]
POSITIONS = {"0": [0, 0], "1": [4, 0], "2": [0, 2]}
CUT = {"type": "action", "what": "cut", "link": [2, 0]}


def section(*records: dict[str, Any]) -> str:
    return map_section(collect([*records, {"type": "map", "positions": POSITIONS, "edges": EDGES}]))


def test_the_map_is_told_of_nodes_around_the_middle_and_of_links_with_their_state() -> None:
    found = re.search(r'id="mesh">(.*?)</script>', section(CUT))
    assert found is not None
    assert json.loads(found[1]) == {
        "nodes": [[0, -2.0, -1.0], [1, 2.0, -1.0], [2, -2.0, 1.0]],
        "links": [[0, 1, 10.0, 0], [1, 2, 20.0, 2], [0, 2, 30.0, 1]],
    }


def test_a_link_that_only_one_end_uses_is_marked() -> None:
    half = {"type": "map", "positions": POSITIONS, "edges": EDGES, "half": [[2, 0]]}
    found = re.search(r'id="mesh">(.*?)</script>', map_section(collect([half])))
    assert found is not None
    assert [link[3] for link in json.loads(found[1])["links"]] == [0, 2, 3]


def test_all_that_draws_it_is_in_the_page() -> None:
    text = section()
    assert text.count("<script") == text.count("</script>") == 5
    for name in ("class MeshMap", "function myView", "function meshView", "function waysFrom"):
        assert name in text
    for variable in re.findall(r'colour\("(\w+)"\)', text):
        assert f"--{variable}:" in COLOURS


def test_a_run_without_a_map_has_none() -> None:
    assert map_section(collect([])) == ""
