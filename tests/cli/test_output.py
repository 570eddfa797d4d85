import os
import sys

import pytest

from mycelium.admin.table import Column
from mycelium.cli.output import cost_ms, duration, print_table, size
from tests.cli.support import on_a_terminal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (3_599, "59m59s"),
        (3_600, "1h00m"),
        (86_399, "23h59m"),
        (90_000, "1d01h"),
    ],
)
def test_a_duration_has_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_023, "1023 B"),
        (1_024, "1 KiB"),
        (1_500, "1.46 KiB"),
        (1 << 30, "1 GiB"),
        (1 << 50, "1024.0 TiB"),
    ],
)
def test_a_size_is_short(count: int, text: str) -> None:
    assert size(count) == text


def test_a_cost_is_in_milliseconds() -> None:
    assert (cost_ms(1_234), cost_ms(0), cost_ms(None), cost_ms(None, none="-")) == ("12.34", "0.00", "", "-")


def test_a_cell_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((Column[str]("Name", str),), ["[bold]udp://[::1]:1[/bold]", "x" * 300])
    assert capsys.readouterr().out == f"Name\n[bold]udp://[::1]:1[/bold]\n{'x' * 300}\n"


PROGRAM = (
    "from mycelium.admin.table import *; from mycelium.cli.output import *; print_table((Column('Name', str),), ['a'])"
)


@pytest.mark.parametrize(
    ("environment", "heading"),
    [({}, "\x1b[1mName\x1b[0m"), ({"NO_COLOR": "1"}, "Name"), ({"TERM": "dumb"}, "Name")],
)
def test_the_heading_is_bold_where_a_terminal_can_and_may(environment: dict[str, str], heading: str) -> None:
    shown = on_a_terminal(
        [sys.executable, "-c", PROGRAM], columns=80, env={**os.environ, "TERM": "xterm", **environment}
    )
    assert shown.splitlines() == [heading, "a"]
