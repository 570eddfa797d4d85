"""Commands that find out why something is as it is: what they print and how they end."""

import json

import pytest

from mycelium.cli.main import main
from tests.api.fake_diagnosis import FAR, LOST, NEAR

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", [["explain"], ["routes", "explain"]])
def test_a_route_is_explained(daemon: str, capsys: Capture, command: list[str]) -> None:
    assert main([*command, FAR, "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{FAR} is reached via {NEAR}: 12.30 ms, chosen 3m12s ago.\n")
    assert "1.70 longer" in printed
    assert main([*command, FAR, "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out)["nextHop"] == NEAR


def test_a_node_that_cannot_be_reached_is_exit_status_4_and_an_unknown_one_is_an_error(
    daemon: str, capsys: Capture
) -> None:
    assert main(["explain", LOST, "--api-addr", daemon]) == 4
    assert capsys.readouterr().out == f"{LOST} can't be reached: no neighbour has a route there that can be used.\n"
    assert main(["explain", "berlin", "--api-addr", daemon]) == 1
    assert capsys.readouterr().err == "mycelium: 'berlin' is no node that this one knows\n"
