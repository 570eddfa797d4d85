"""Commands that find out why something is as it is: what they print and how they end."""

import json
import sys
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.diagnosis import PingInfo, WayInfo
from mycelium.cli.diagnosis import detour
from mycelium.cli.main import main
from tests.api.fake_diagnosis import FAR, HOME, LOST, NEAR, OUTSIDE, FakeDiagnosis
from tests.api.support import FakeNode
from tests.cli.support import on_a_terminal, served

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


def test_a_ping_says_who_answered_how_fast_and_over_whom(daemon: str, capsys: Capture) -> None:
    assert main(["ping", FAR, "-c", "2", "-i", "0.05", "--api-addr", daemon]) == 0
    line = f"from {FAR}: 12.50 ms, 2 hops, relayed via {NEAR}"
    summary = "2 of 2 answered: 12.50 ms at least, 12.50 median, 12.50 at most"
    assert capsys.readouterr().out.splitlines() == [line, line, summary]
    assert main(["ping", FAR, "-c", "1", "--json", "--api-addr", daemon]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["node"], told["sent"], told["received"], told["medianMs"]) == (FAR, 1, 1, 12.5)
    assert told["answers"][0]["hops"] == 2


def test_a_ping_or_a_trace_without_an_answer_says_why_and_is_exit_status_4(daemon: str, capsys: Capture) -> None:
    assert main(["ping", LOST, "-c", "1", "--api-addr", daemon]) == 4
    assert capsys.readouterr().out == f"{LOST}: there is no route to it\n"
    assert main(["ping", LOST, "-c", "1", "--json", "--api-addr", daemon]) == 4
    assert json.loads(capsys.readouterr().out)["leastMs"] is None
    assert main(["trace", LOST, "--api-addr", daemon]) == 4
    assert capsys.readouterr().out == f"{LOST} did not answer: there is no route to it\n"
    for command in ("ping", "trace"):
        assert main([command, "berlin", "--api-addr", daemon]) == 1
        assert "is no node that this one knows" in capsys.readouterr().err


def test_a_node_without_a_route_is_said_to_be_reached_by_its_home(daemon: str, capsys: Capture) -> None:
    towards = f"sent towards its home, {HOME}"
    assert main(["explain", OUTSIDE, "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert printed == f"No route to {OUTSIDE} is kept here: packets are {towards}, via {NEAR}.\n"
    assert main(["ping", OUTSIDE, "-c", "1", "--api-addr", daemon]) == 0
    way = f"relayed via {NEAR}; no route here: {towards}"
    assert capsys.readouterr().out == f"from {OUTSIDE}: 12.50 ms, 2 hops, {way}\n"
    assert main(["ping", OUTSIDE, "-c", "1", "-w", "0.5", "--api-addr", daemon]) == 4
    assert capsys.readouterr().out == f"{OUTSIDE}: no answer ({way})\n"
    assert main(["trace", OUTSIDE, "--api-addr", daemon]) == 0
    assert capsys.readouterr().out.endswith(f"No route here: {towards}.\n")
    for command in (["ping", "-c", "1"], ["trace"], ["explain"]):
        assert main([*command, OUTSIDE, "--json", "--api-addr", daemon]) == 0
        told = json.loads(capsys.readouterr().out)
        told = told["answers"][0] if command[0] == "ping" else told
        assert (told["hasRoute"], told["waypoint"], told["homes"]) == (False, HOME, [HOME])


def test_a_way_without_a_home_and_one_by_a_waypoint_are_called_so() -> None:
    way = WayInfo(node=OUTSIDE, next_hop=NEAR, has_route=False)
    assert detour(way) == f"sent to {NEAR}, which has told of it"
    met = WayInfo(node=OUTSIDE, next_hop=NEAR, has_route=False, homes=[HOME], waypoint=FAR)
    assert detour(met) == f"sent towards the waypoint of both ends, {FAR}"


def test_the_median_of_two_is_between_them(
    daemon: str, node: FakeNode, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter((10.0, 20.0))

    async def ping(self: FakeDiagnosis, node: str, *, wait_s: float) -> PingInfo:
        return PingInfo(node=FAR, rtt_ms=next(times), hops=1, next_hop=FAR, direct=True)

    monkeypatch.setattr(FakeDiagnosis, "ping", ping)
    assert main(["ping", FAR, "-c", "2", "-i", "0.05", "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 answered: 10.00 ms at least, 15.00 median, 20.00 at most" in printed
    assert f"from {FAR}: 10.00 ms, 1 hop, direct\n" in printed


def test_a_trace_is_a_row_for_each_hop(daemon: str, capsys: Capture) -> None:
    assert main(["trace", FAR, "--api-addr", daemon]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [("1", NEAR), ("2", "no"), ("3", FAR)]
    assert rows[2][2:8] == ["-", "12.50", "13.00", "2", "of", "3"]
    assert main(["trace", FAR, "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out)["reached"]


def test_links_and_sessions_are_listed(daemon: str, capsys: Capture) -> None:
    assert main(["links", "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert "udp://[2001:db8:1234:5678:9abc:def0:1234:5678]:9651" in printed
    assert "1.0%" in printed
    assert main(["sessions", "--api-addr", daemon]) == 0
    assert f"via {NEAR}" in capsys.readouterr().out
    for command in ("links", "sessions"):
        assert main([command, "--json", "--api-addr", daemon]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 1


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", [f"ping -c 2 -i 0.05 {FAR}", f"trace {FAR}", "links", "sessions", f"explain {FAR}"])
def test_nothing_is_wider_than_the_terminal_and_no_address_is_cut(
    tmp_path: Path, node: FakeNode, command: str, columns: int
) -> None:
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        program = [sys.executable, "-m", "mycelium", "--api-addr", str(address), *command.split()]
        shown = on_a_terminal(program, columns=columns, env={"NO_COLOR": "1"})
    assert max(map(len, shown.splitlines())) <= columns
    assert NEAR in shown.split()
