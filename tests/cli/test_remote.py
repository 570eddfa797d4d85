"""Commands that ask a running daemon: what they print of it, where they look for it, and what it refuses."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import EventInfo
from mycelium.cli.main import main
from tests.api.support import ADDRESS, FIRST_PEER, FakeNode
from tests.cli.support import on_a_terminal, served
from tests.lab.waiting import PATIENCE_S, wait_until

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def node() -> FakeNode:
    node = FakeNode()
    node.happened = [event(1), event(2)]
    return node


def test_routes_are_listed(daemon: str, capsys: Capture) -> None:
    assert main(["routes", "selected", "--api-addr", daemon]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["5c3:943d:3d21:1d4b::/64", "berlin", FIRST_PEER, "6.74", "117698060943360"],
        ["400:1::/64", "-", "-", "infinite", "1"],
    ]
    assert main(["routes", "fallback", "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_status_is_a_node_at_a_glance_and_has_raw_metrics_only_when_asked(daemon: str, capsys: Capture) -> None:
    assert main(["status", "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert "Running for: 1h02m" in printed
    assert "Peers:       1 of 2 alive" in printed
    assert "replayed" not in printed
    assert main(["status", "-v", "--api-addr", daemon]) == 0
    verbose = capsys.readouterr().out
    assert verbose.startswith(printed)
    assert "replayed      3  Datagrams dropped: replayed." in verbose
    assert "undecodable" not in verbose


def test_status_names_what_is_not_as_it_should_be(daemon: str, node: FakeNode, capsys: Capture) -> None:
    assert main(["status", "--api-addr", daemon]) == 0
    assert "\nState:       well\n" in capsys.readouterr().out
    node.key_shared = "another host has this key"
    node.nat_mapping = "endpoint-dependent"
    assert main(["status", "--api-addr", daemon]) == 0
    state = capsys.readouterr().out.partition("State:")[2].splitlines()
    assert state[0].strip() == "fail: another host has this key"
    assert state[1].strip().startswith("warn: a NAT in front of this host gives each destination another port")
    assert state[2].strip() == "what to do: mycelium doctor"


@pytest.mark.parametrize("columns", [40, 80, 100, 120])
@pytest.mark.parametrize("command", ["routes", "status -v"])
def test_every_address_is_whole_at_any_width(tmp_path: Path, node: FakeNode, command: str, columns: int) -> None:
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        program = [sys.executable, "-m", "mycelium", "--api-addr", str(address), *command.split()]
        words = on_a_terminal(program, columns=columns, env={"NO_COLOR": "1"}).split()
    wanted = ["5c3:943d:3d21:1d4b::/64", "400:1::/64", FIRST_PEER] if command == "routes" else [ADDRESS, "replayed"]
    assert {*wanted} <= {*words}


def test_a_group_alone_lists(daemon: str, capsys: Capture) -> None:
    for group, command in (("peers", "list"), ("routes", "selected")):
        assert main([group, command, "--api-addr", daemon]) == 0
        listed = capsys.readouterr().out
        assert main([group, "--api-addr", daemon]) == 0
        assert capsys.readouterr().out == listed


@pytest.mark.parametrize("words", ["--json {}", "{} --json"])
def test_json_may_be_asked_for_before_the_command_or_behind_it(daemon: str, capsys: Capture, words: str) -> None:
    for command in ("status", "peers", "peers list", "routes", "routes fallback", "events"):
        assert main([*words.format(command).split(), "--api-addr", daemon]) == 0
        json.loads(capsys.readouterr().out)
    assert main(["peers", "--json", "list", "--api-addr", daemon]) == 0
    json.loads(capsys.readouterr().out)
    assert main(["--json", "status", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out)["counters"] == {"replayed": 3, "undecodable": 0}


# -- events ------------------------------------------------------------------------------------------------------------


def event(sequence: int) -> EventInfo:
    return EventInfo(sequence=sequence, time=1_795_000_000.25, kind="link-down", node=ADDRESS, cause="closed")


def test_events_are_lines_with_a_time(daemon: str, capsys: Capture) -> None:
    assert main(["events", "--api-addr", daemon]) == 0
    lines = capsys.readouterr().out.splitlines()
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_795_000_000))
    assert lines == [f"{moment}.250 link down: {ADDRESS} has closed the link"] * 2


def test_events_are_json(daemon: str, capsys: Capture) -> None:
    assert main(["--api-addr", daemon, "events", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["sequence"] for one in found] == [1, 2]
    assert found[0]["cause"] == "closed"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_following_prints_what_happens_until_the_daemon_stops(tmp_path: Path, form: list[str]) -> None:
    node = FakeNode()
    node.happened = [event(1)]
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        command = [sys.executable, "-m", "mycelium", "events", "--follow", "--api-addr", str(address), *form]
        output = tmp_path / "output"
        with output.open("w") as file:
            follower = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, text=True)

        def lines() -> list[str]:
            return output.read_text().splitlines()

        wait_until(node.watched.is_set, PATIENCE_S, "the follower waits")
        node.happen_from_outside(event(2))
        wait_until(lambda: len(lines()) == 2, PATIENCE_S, "the next event is printed")
        node.happen_from_outside(event(3))
        wait_until(lambda: len(lines()) == 3, PATIENCE_S, "the one after it is printed")
    _, complaint = follower.communicate(
        timeout=2 * PATIENCE_S
    )  # a call that the closing socket still took ends after 10 s
    assert follower.returncode == 3
    assert re.fullmatch(r"mycelium: .*\n", complaint)
    if form:
        assert [json.loads(line)["sequence"] for line in lines()] == [1, 2, 3]
