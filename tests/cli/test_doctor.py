"""`mycelium doctor`: its lines, and how it ends."""

import json
import sys
from pathlib import Path

import pytest

from mycelium import __version__
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.checkup import RELEASED, HostFacts
from mycelium.cli import host_facts
from mycelium.cli.main import main
from tests.api.support import ADDRESS, FakeNode
from tests.cli.support import on_a_terminal, served

Capture = pytest.CaptureFixture[str]
WELL = HostFacts(time_s=RELEASED + 1.0, is_clock_synchronised=True, overlay_source=ADDRESS, version=__version__)


@pytest.fixture(autouse=True)
def _healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_facts, "running", lambda interface, listening: WELL)


def test_a_healthy_node_is_exit_status_0(daemon: str, capsys: Capture) -> None:
    assert main(["doctor", "--api-addr", daemon]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("ok    ") for line in lines)
    assert f"ok    daemon    mycelium 0.1.0 runs as {ADDRESS}" in lines


def test_the_worst_line_is_the_exit_status_and_has_its_remedy(daemon: str, node: FakeNode, capsys: Capture) -> None:
    node.key_shared = "another host runs with this node's key"
    assert main(["doctor", "--api-addr", daemon]) == 4
    printed = capsys.readouterr().out
    assert "fail  key       another host runs with this node's key\n                -> give one of the two" in printed
    assert main(["doctor", "--json", "--api-addr", daemon]) == 4
    told = json.loads(capsys.readouterr().out)
    assert {"check": "ipv6", "level": "ok", "text": "switched on", "remedy": ""} in told


def test_a_warning_is_exit_status_1(daemon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unkept = HostFacts(time_s=RELEASED + 1.0, is_clock_synchronised=False, overlay_source=ADDRESS, version=__version__)
    monkeypatch.setattr(host_facts, "running", lambda interface, listening: unkept)
    assert main(["doctor", "--api-addr", daemon]) == 1


def test_without_a_daemon_the_start_is_looked_at(tmp_path: Path, capsys: Capture) -> None:
    assert main(["doctor", "--api-addr", f"unix:{tmp_path}/none.sock"]) == 4
    printed = capsys.readouterr().out
    assert "fail  daemon    no daemon is listening" in printed
    assert "mycelium service install" in printed


@pytest.mark.parametrize("columns", [60, 80])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, node: FakeNode, columns: int) -> None:
    node.key_shared = (
        "another host runs with this node's key, which no two hosts can share, since their packets would mix"
    )
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        program = [sys.executable, "-m", "mycelium", "doctor", "--api-addr", str(address)]
        shown = on_a_terminal(program, columns=columns, env={"NO_COLOR": "1"})
    assert max(map(len, shown.splitlines())) <= columns
