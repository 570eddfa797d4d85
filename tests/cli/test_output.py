import pytest

from mycelium.cli.output import duration, print_table, size


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


def test_a_cell_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("Name",), [("[bold]udp://[::1]:1[/bold]",), ("x" * 300,)])
    assert capsys.readouterr().out.splitlines()[1:] == ["[bold]udp://[::1]:1[/bold]".ljust(300), "x" * 300]
