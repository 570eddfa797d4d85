import pytest

from mycelium.cli.output import duration, size


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
