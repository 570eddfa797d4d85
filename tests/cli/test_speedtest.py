"""`mycelium speedtest`: what it prints, with and without a terminal, and how it ends."""

import json
import sys
from pathlib import Path

import pytest

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.speed import DirectionInfo, SpeedInfo
from mycelium.cli.main import main
from mycelium.cli.speedtest import _rate, _result
from tests.api.fake_diagnosis import FAR, LOST, NEAR
from tests.api.support import FakeNode
from tests.cli.support import on_a_terminal, served

Capture = pytest.CaptureFixture[str]
RESULT = [
    f"to {FAR}, over hub, 12.50 ms",
    "sent       94.3 Mbit/s, 0.0% lost, 14.10 ms meanwhile",
    "received   1.23 Gbit/s, 1.2% lost",
    "It sends back no more than it was sent: so the second direction was shorter.",
]


def test_it_prints_rate_loss_and_round_trip_of_both_directions(daemon: str, capsys: Capture) -> None:
    assert main(["speedtest", FAR, "--api-addr", daemon]) == 0
    assert capsys.readouterr().out.splitlines() == RESULT
    assert main(["speedtest", FAR, "--json", "--api-addr", daemon]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["phase"], told["sent"]["bitsPerS"], told["received"]["loss"]) == ("over", 94_300_000, 0.012)


def test_a_node_out_of_reach_is_exit_status_4_and_an_unknown_one_or_a_wrong_time_an_error(
    daemon: str, capsys: Capture
) -> None:
    assert main(["speedtest", LOST, "--api-addr", daemon]) == 4
    assert capsys.readouterr().out == f"{LOST}: there is no route to it\n"
    assert main(["speedtest", "berlin", "--api-addr", daemon]) == 1
    assert "is no node that this one knows" in capsys.readouterr().err
    assert main(["speedtest", FAR, "--seconds", "31", "--api-addr", daemon]) == 2


def test_a_terminal_gets_a_bar_and_the_same_result(tmp_path: Path, node: FakeNode) -> None:
    with served(node, ApiAddress.parse(f"unix:{tmp_path}/api.sock")) as address:
        program = [sys.executable, "-m", "mycelium", "--api-addr", str(address), "speedtest", FAR]
        shown = on_a_terminal(program, columns=80, env={"NO_COLOR": "1"})
    assert "[########" in shown
    assert "94.3 Mbit/s" in shown
    lines = [line.rpartition("\r")[2] for line in shown.splitlines()]
    assert [line for line in RESULT[:3] if line not in lines] == []
    assert max(map(len, lines)) <= 80


def test_what_went_wrong_on_the_way_is_told_beside_what_was_measured() -> None:
    way = DirectionInfo(bits_per_s=None, bytes=1, seconds=0.0, loss=0.0)
    one = SpeedInfo(node=FAR, name="berlin", seconds=5.0, next_hop=NEAR, direct=True, sent=way, way_changed=True)
    assert _result(one) == [
        f"to berlin ({FAR}), direct",
        "sent         too short, 0.0% lost",
        "The way has changed meanwhile: 'mycelium events' says why.",
    ]
    cut = SpeedInfo(node=FAR, seconds=5.0, next_hop=NEAR, direct=False, sent=way, error="the way is interrupted")
    assert _result(cut)[0] == f"to {FAR}, over {NEAR}"
    assert _result(cut)[-1] == "not received: the way is interrupted"


@pytest.mark.parametrize(
    ("bits_per_s", "text"),
    [
        (0, "0 bit/s"),
        (999, "999 bit/s"),
        (999.6, "1 kbit/s"),
        (94_320_000, "94.3 Mbit/s"),
        (3.25e12, "3.25e+03 Gbit/s"),
    ],
)
def test_rates_have_three_digits(bits_per_s: float, text: str) -> None:
    assert _rate(bits_per_s) == text
