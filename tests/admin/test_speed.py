"""What may be wished of a speed test."""

import pytest

from mycelium.admin.speed import SpeedWish


@pytest.mark.parametrize(
    ("seconds", "is_valid"),
    [(0.5, True), (5.0, True), (30.0, True), (0.4, False), (30.1, False), (float("nan"), False)],
)
def test_its_time_has_bounds(seconds: float, is_valid: bool) -> None:
    assert SpeedWish("berlin", seconds).is_valid() is is_valid
