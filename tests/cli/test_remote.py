"""Commands that ask a running daemon: what they print of it, where they look for it, and what it refuses."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import EventInfo
from mycelium.cli.main import main
from tests.api.support import ADDRESS, FIRST_PEER, KEY, FakeNode
from tests.cli.support import served
from tests.lab.waiting import wait_until

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def node() -> FakeNode:
    node = FakeNode()
    node.happened = [event(1), event(2)]
    return node


@pytest.fixture(params=["unix", "tcp"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path, node: FakeNode) -> Iterator[str]:
    """The API address of a running daemon."""
    address = ApiAddress.parse(f"unix:{tmp_path}/api.sock" if request.param == "unix" else "127.0.0.1:0")
    with served(node, address) as actual:
        yield str(actual)


def test_peers_are_listed_as_a_table(daemon: str, capsys: Capture) -> None:
    assert main(["peers", "list", "--api-addr", daemon]) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Peer", "Type", "State", "Address", "RTT", "Loss", "Sent", "Received", "Known", "for"]
    assert line.split() == [FIRST_PEER, *f"static alive {ADDRESS} 1.25 ms 1.0% 1.46 KiB 2.86 MiB 1m30s".split()]


def test_peers_are_listed_as_json_with_the_apis_names(daemon: str, capsys: Capture) -> None:
    assert main(["peers", "--api-addr", daemon, "list", "--json"]) == 0
    (peer,) = json.loads(capsys.readouterr().out)
    assert peer["endpoint"] == {"proto": "udp", "addr": "198.51.100.7:9651"}
    assert peer["connectionState"] == "alive"


def test_peers_are_added_and_removed(daemon: str, node: FakeNode, capsys: Capture) -> None:
    pinned = f"udp://[2001:db8::1]:7#{KEY}"
    assert main(["peers", "add", "--api-addr", daemon, "udp://a", pinned]) == 0
    assert node.urls == [FIRST_PEER, "udp://a:9651", pinned]
    assert main(["--api-addr", daemon, "peers", "remove", pinned, FIRST_PEER, "--json"]) == 0
    assert node.urls == ["udp://a:9651"]
    assert json.loads(capsys.readouterr().out) == {"removed": [pinned, FIRST_PEER]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", FIRST_PEER], f"mycelium: {FIRST_PEER} is a peer already\n"),
        (["remove", "udp://b:1"], "mycelium: udp://b:1 is no peer\n"),
        (["add", "b:1"], "mycelium: 'b:1' is not a valid URL: the scheme is missing, as in udp://host:9651\n"),
    ],
)
def test_what_the_daemon_refuses_is_told_in_its_words(
    daemon: str, capsys: Capture, arguments: list[str], told: str
) -> None:
    assert main(["peers", *arguments, "--api-addr", daemon]) == 1
    assert capsys.readouterr().err == told


def test_routes_are_listed(daemon: str, capsys: Capture) -> None:
    assert main(["routes", "selected", "--api-addr", daemon]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [["5c3:943d:3d21:1d4b::/64", FIRST_PEER, "63", "7"], ["400:1::/64", "-", "infinite", "1"]]
    assert main(["routes", "fallback", "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_status_tells_what_is_not_zero(daemon: str, capsys: Capture) -> None:
    assert main(["status", "--api-addr", daemon]) == 0
    printed = capsys.readouterr().out
    assert "Running for: 1h02m" in printed
    assert "Peers:       1 of 2 alive" in printed
    assert "replayed      3  Datagrams dropped: replayed." in printed
    assert "undecodable" not in printed
    assert main(["status", "--json", "--api-addr", daemon]) == 0
    assert json.loads(capsys.readouterr().out)["counters"] == {"replayed": 3, "undecodable": 0}


def test_the_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    addresses = [ApiAddress.parse(f"unix:{tmp_path}/{name}") for name in ("flag", "environment", "file")]
    (home / ".config/mycelium").mkdir(parents=True)
    (home / ".config/mycelium/mycelium.toml").write_text(f'api_addr = "{addresses[2]}"')

    def asked(*flags: str) -> str:
        assert main([*flags, "status"]) == 1
        return capsys.readouterr().err

    assert f"{addresses[2]}: is it running" in asked()
    monkeypatch.setenv("MYCELIUM_API_ADDR", str(addresses[1]))
    assert f"{addresses[1]}: is it running" in asked()
    assert f"{addresses[0]}: is it running" in asked("--api-addr", str(addresses[0]))


def test_a_token_is_sent_where_one_is_set(tmp_path: Path, node: FakeNode, capsys: Capture) -> None:
    (tmp_path / "token").touch(mode=0o600)
    (tmp_path / "token").write_text("correct-horse-battery\n")
    with served(node, ApiAddress("127.0.0.1", 0), token="correct-horse-battery") as address:
        assert main(["status", "--api-addr", str(address)]) == 1
        assert capsys.readouterr().err == "mycelium: this call needs the API token\n"
        assert main(["status", "--api-addr", str(address), "--api-token-file", str(tmp_path / "token")]) == 0


@pytest.mark.parametrize("address", ["unix:{}/none.sock", "127.0.0.1:1"])
def test_without_a_daemon_the_user_is_asked_whether_it_runs(tmp_path: Path, capsys: Capture, address: str) -> None:
    address = address.format(tmp_path)
    assert main(["peers", "list", "--api-addr", address]) == 1
    assert capsys.readouterr().err == f"mycelium: no daemon is listening at {address}: is it running?\n"


# -- events ------------------------------------------------------------------------------------------------------------


def event(sequence: int) -> EventInfo:
    return EventInfo(sequence=sequence, time=1_795_000_000.25, kind="link-down", node=ADDRESS, cause="closed")


def test_events_are_lines_with_a_time(daemon: str, capsys: Capture) -> None:
    assert main(["events", "--api-addr", daemon]) == 0
    lines = capsys.readouterr().out.splitlines()
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1_795_000_000))
    assert lines == [f"{moment}.250 link down: {ADDRESS}, closed"] * 2


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

        wait_until(node.watched.is_set, 10, "the follower waits")
        node.happen_from_outside(event(2))
        wait_until(lambda: len(lines()) == 2, 10, "the next event is printed")
        node.happen_from_outside(event(3))
        wait_until(lambda: len(lines()) == 3, 10, "the one after it is printed")
    _, complaint = follower.communicate(timeout=30)  # a call that the closing socket still took ends after 10 s
    assert follower.returncode == 1
    assert re.fullmatch(r"mycelium: .*\n", complaint)
    if form:
        assert [json.loads(line)["sequence"] for line in lines()] == [1, 2, 3]
