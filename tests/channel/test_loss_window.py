"""The loss that people are shown: that of the last minute, and nothing where nothing is known."""

import pytest

from mycelium.channel.loss_window import BUCKET_S, WINDOW_S, LossWindow


def test_nothing_is_known_at_first() -> None:
    assert LossWindow().share(now=0.0) is None


def test_it_is_the_share_of_the_last_minute() -> None:
    window = LossWindow()
    for second in range(30):
        window.note(100, 1 if second < 10 else 0, now=float(second))
    assert window.share(now=30.0) == pytest.approx(10 / 3_000)
    assert window.share(now=WINDOW_S + 12) == 0.0, "the lost ones are too long ago"
    assert window.share(now=2 * WINDOW_S) is None, "so is all"


def test_what_was_only_late_is_no_loss() -> None:
    window = LossWindow()
    window.note(10, 3, now=0.0)
    assert window.share(now=0.0) == 0.3
    window.note(10, -3, now=BUCKET_S)
    assert window.share(now=BUCKET_S) == 0.0
    window.note(1, -9, now=BUCKET_S)
    assert window.share(now=BUCKET_S) == 0.0
    window.note(1, 90, now=BUCKET_S)
    assert window.share(now=BUCKET_S) == 1.0


def test_any_number_of_reports_keeps_little() -> None:
    window = LossWindow()
    for step in range(10_000):
        window.note(1, 0, now=step / 50)
    assert len(window._buckets) <= WINDOW_S / BUCKET_S + 2


def test_it_can_begin_again() -> None:
    window = LossWindow()
    window.note(10, 5, now=0.0)
    window.clear()
    assert window.share(now=0.0) is None
