"""`mycelium peers`: at any width of the terminal, what it shows can be copied into another command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.control import PeerInfo
from mycelium.cli.main import main
from mycelium.cli.peers import _COLUMNS
from tests.api.support import ADDRESS, FIRST_PEER, KEY, FakeNode, endpoint_at
from tests.cli.support import on_a_terminal, served

Capture = pytest.CaptureFixture[str]

URLS = (
    f"udp://[2001:db8:85a3:1234:5678:8a2e:370:7334]:9651#{KEY}",
    "udp://[fe80::1ff:fe23:4567:890a%enp0s31f6]:9651",
    "tcp://a-rather-long-name.of-a-host.in-some-department.example.org:9651",
    FIRST_PEER,
)
SHOWN = (URLS[0].replace(KEY, "a6a7…"), *URLS[1:])
HEADINGS = [
    "Peer",
    "Name",
    "State",
    "RTT",
    "Loss",
    "Cost",
    "Address",
    "Sent",
    "Received",
    "Known",
    "for",
    "Type",
    "Next",
    "try",
    "Last",
    "error",
]


def listed(tmp_path: Path, columns: int) -> str:
    with served(FakeNode(*URLS), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        command = [sys.executable, "-m", "mycelium", "peers", "list", "--api-addr", str(address)]
        return on_a_terminal(command, columns=columns, env={"NO_COLOR": "1"})


@pytest.mark.parametrize("columns", [40, 80, 100, 120, 160, 250])
def test_every_url_and_address_is_whole_at_any_width(tmp_path: Path, columns: int) -> None:
    shown = listed(tmp_path, columns)
    words = shown.split()
    assert [word for word in words if "://" in word] == list(SHOWN)
    assert words.count(ADDRESS) == len(URLS)
    assert words.count("alive") == len(URLS)
    assert all(len(line) <= columns or len(line.split()) == 1 for line in shown.splitlines())


def test_eighty_columns(tmp_path: Path) -> None:
    below = f"  {ADDRESS}  1.25 ms  1.0%  0.63  1.46 KiB  2.86 MiB"
    wide = len(SHOWN[2])
    assert listed(tmp_path, 80).splitlines() == [
        f"{'Peer':{wide}}  State",
        f"  {'Address':37}      RTT  Loss  Cost      Sent  Received",
        *(line for url in SHOWN for line in (f"{url:{wide}}  alive", below)),
    ]


def test_a_hundred_and_twenty_columns(tmp_path: Path) -> None:
    heading, below, first, second, *_ = listed(tmp_path, 120).splitlines()
    assert heading.split() == ["Peer", "State", "RTT", "Loss", "Cost", "Sent", "Received"]
    assert below.split() == ["Address", "Known", "for", "Type"]
    assert first.split() == [SHOWN[0], *["alive", "1.25", "ms", "1.0%", "0.63", "1.46", "KiB", "2.86", "MiB"]]
    assert second.split() == [ADDRESS, "1m30s", "static"]


def test_to_a_pipe_each_peer_is_one_line_with_everything(tmp_path: Path, capsys: Capture) -> None:
    with served(FakeNode(*URLS), ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["peers", "list", "--api-addr", str(address)]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == HEADINGS
    assert [line.split() for line in lines] == [
        [url, *f"- alive 1.25 ms 1.0% 0.63 {ADDRESS} 1.46 KiB 2.86 MiB 1m30s static - -".split()] for url in URLS
    ]


def test_peers_are_listed_as_json_with_the_apis_names(daemon: str, capsys: Capture) -> None:
    assert main(["peers", "--api-addr", daemon, "list", "--json"]) == 0
    (peer,) = json.loads(capsys.readouterr().out)
    assert peer["endpoint"]["socketAddr"] == "198.51.100.7:9651"
    assert peer["connectionState"] == "alive"


def test_peers_are_added_and_removed(daemon: str, node: FakeNode, capsys: Capture) -> None:
    pinned = f"udp://[2001:db8::1]:7#{KEY}"
    assert main(["peers", "add", "--api-addr", daemon, "udp://a", pinned]) == 0
    assert node.urls == [FIRST_PEER, "udp://a:9651", pinned]
    assert capsys.readouterr().out == f"added udp://a\nadded {pinned}\n"
    assert main(["--api-addr", daemon, "peers", "remove", pinned, FIRST_PEER, "--json"]) == 0
    assert node.urls == ["udp://a:9651"]
    assert json.loads(capsys.readouterr().out) == {"removed": [pinned, FIRST_PEER], "failed": []}


def test_one_failure_holds_up_no_other_peer(daemon: str, node: FakeNode, capsys: Capture) -> None:
    reason = f"{FIRST_PEER} is a peer already"
    assert main(["peers", "add", "--api-addr", daemon, "udp://a:1", FIRST_PEER, "udp://b:1"]) == 1
    assert capsys.readouterr() == ("added udp://a:1\nadded udp://b:1\n", f"mycelium: {reason}\n")
    assert main(["peers", "remove", "--api-addr", daemon, "--json", "udp://c:1", FIRST_PEER, "udp://b:1"]) == 1
    assert node.urls == ["udp://a:1"]
    assert json.loads(capsys.readouterr().out) == {
        "removed": [FIRST_PEER, "udp://b:1"],
        "failed": [{"url": "udp://c:1", "error": "udp://c:1 is no peer"}],
    }


@pytest.mark.parametrize("arguments", [["add", "udp://a", "udp://b"], ["remove", "udp://a…"]])
def test_without_a_daemon_that_is_said_once(tmp_path: Path, capsys: Capture, arguments: list[str]) -> None:
    assert main(["peers", *arguments, "--api-addr", f"unix:{tmp_path}/none.sock"]) != 0
    assert capsys.readouterr().err == f"mycelium: no daemon is listening at unix:{tmp_path}/none.sock: is it running?\n"


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["add", FIRST_PEER], 1, f"mycelium: {FIRST_PEER} is a peer already\n"),
        (["remove", "udp://b:1"], 1, "mycelium: udp://b:1 is no peer\n"),
        (
            ["add", "b:x"],
            2,
            "mycelium: 'b:x' is not a valid URL: the host may only be followed by a port from 1 to 65535\n",
        ),
    ],
)
def test_what_the_daemon_refuses_is_told_in_its_words(
    daemon: str, capsys: Capture, arguments: list[str], status: int, told: str
) -> None:
    assert main(["peers", *arguments, "--api-addr", daemon]) == status
    assert capsys.readouterr().err == told


def test_a_pin_as_it_is_shown_is_taken_where_it_is_unambiguous(tmp_path: Path, capsys: Capture) -> None:
    other = KEY[:4] + "0" * 60
    node = FakeNode(f"udp://a:1#{KEY}", f"udp://b:1#{KEY}", f"udp://b:1#{other}")
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        remove = ["peers", "remove", "--api-addr", str(address)]
        assert main([*remove, "udp://a:1#a6a7…", "udp://c:1#a6a7…", "udp://b:1#a6a7…"]) == 1
    assert node.urls == [f"udp://b:1#{KEY}", f"udp://b:1#{other}"]
    whole = "'mycelium peers list --json' has the whole URLs"
    assert capsys.readouterr().err == (
        f"mycelium: no peers begin with udp://c:1#a6a7: {whole}\nmycelium: 2 peers begin with udp://b:1#a6a7: {whole}\n"
    )


def peer_info(**known: object) -> PeerInfo:
    here = endpoint_at("198.51.100.7:9651")
    fresh = PeerInfo(
        endpoint=here, type="static", origin="static", connection_state="alive", tx_bytes=0, rx_bytes=0, discovered=90
    )
    return replace(fresh, **known)


def cells(peer: PeerInfo) -> dict[str, str]:
    return {column.heading: column.cell(peer) for column in _COLUMNS}


def test_what_is_not_measured_yet_is_not_shown_as_if_it_were_zero() -> None:
    shown = cells(peer_info(connection_state="connecting"))
    assert [shown[name] for name in ("RTT", "Loss", "Cost", "Sent", "Received", "Address")] == [""] * 6


@pytest.mark.parametrize(
    ("age_s", "shown"), [(0.0, "0.61 ms"), (6.0, "0.61 ms"), (6.1, "0.61 ms, 6s ago"), (72.0, "0.61 ms, 1m12s ago")]
)
def test_a_round_trip_that_was_not_measured_just_now_says_when(age_s: float, shown: str) -> None:
    assert cells(peer_info(address=ADDRESS, rtt_ms=0.612, rtt_age_s=age_s))["RTT"] == shown


def test_a_link_that_has_carried_nothing_yet_says_zero() -> None:
    shown = cells(peer_info(address=ADDRESS, loss=0.0, cost=31))
    assert [shown[name] for name in ("Loss", "Cost", "Sent", "Received")] == ["0.0%", "0.31", "0 B", "0 B"]


def test_why_a_peer_has_no_link_stands_below_the_table_and_to_a_pipe_in_its_line(tmp_path: Path) -> None:
    node = FakeNode(f"udp://a:1#{KEY}", "udp://b:1")
    node.last_error = "udp://192.0.2.1:1: no answer"
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        command = [sys.executable, "-m", "mycelium", "peers", "list", "--api-addr", str(address)]
        shown = on_a_terminal(command, columns=120, env={"NO_COLOR": "1"})
        piped = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert shown.splitlines()[-3:] == [
        "",
        "udp://a:1#a6a7…: udp://192.0.2.1:1: no answer; tried again in 8s",
        "udp://b:1: udp://192.0.2.1:1: no answer; tried again in 8s",
    ]
    heading, *lines = piped.splitlines()
    assert heading.endswith("  Next try  Last error")
    assert [line.split()[0] for line in lines] == node.urls
    assert all(line.endswith("  8s        udp://192.0.2.1:1: no answer") for line in lines)


def test_a_key_that_two_hosts_have_is_told_by_list_and_status(tmp_path: Path, capsys: Capture) -> None:
    node = FakeNode("udp://a:1")
    node.key_shared = "two hosts run with this key"
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        assert main(["peers", "list", "--api-addr", str(address)]) == 0
        assert capsys.readouterr().out.splitlines()[1].endswith("  two hosts run with this key")
        assert main(["status", "--api-addr", str(address)]) == 0
        assert "State:       fail: two hosts run with this key\n" in capsys.readouterr().out
