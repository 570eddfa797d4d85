"""The screen of `mycelium top`: whole at 80x24, and at any other size."""

import pytest
from msgspec.structs import replace

from mycelium.admin.control import EventInfo
from mycelium.cli.top_model import Overview, TopModel
from mycelium.cli.top_view import screen, spark
from tests.cli.test_top_model import link, sample

LONG = "5c3:943d:3d21:1d4b:9fa8:5e65:db0e:"


def shown(links: int, sessions: int = 3, events: int = 20) -> Overview:
    model = TopModel()
    many = [link(f"{LONG}{number:04x}", rtt_ms=number + 0.5, tx_bytes=number) for number in range(links)]
    found = model.take(sample(1.0, *many, events=events))
    [session] = found.sessions
    return replace(found, sessions=[replace(session, node=f"{LONG}{number:04x}") for number in range(sessions)])


def drawn(overview: Overview, width: int = 80, height: int = 24, *, is_paused: bool = False) -> list[str]:
    return screen(overview, order="traffic", is_paused=is_paused, width=width, height=height)


@pytest.mark.parametrize("links", [0, 1, 5, 100])
@pytest.mark.parametrize("sessions", [0, 3, 50])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 10), (200, 60), (40, 5)])
def test_it_fits_whatever_there_is(links: int, sessions: int, width: int, height: int) -> None:
    lines = drawn(shown(links, sessions), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_at_80_by_24_every_part_has_room() -> None:
    lines = drawn(shown(100))
    assert len(lines) == 24
    text = "\n".join(lines)
    assert "in 0 B/s  out 0 B/s" in text
    assert f"{LONG}0009  up" in text, "addresses are whole"
    assert "more)" in text
    assert sum("link up" in line for line in lines) >= 4
    assert sum(line.startswith(LONG) for line in lines) > 8


def test_a_wide_screen_has_the_history_of_round_trips() -> None:
    assert "▁" in "\n".join(drawn(shown(2), 160))


def test_it_says_that_it_is_paused_and_by_what_it_sorts() -> None:
    assert "paused" in drawn(shown(1), is_paused=True)[2]
    assert "sorted by traffic" in drawn(shown(1))[2]


def test_the_newest_events_are_shown() -> None:
    overview = replace(shown(3), events=[EventInfo(sequence=n, time=0.0, kind=f"kind-{n}") for n in range(40)])
    lines = drawn(overview)
    assert "kind-39" in lines[-1]


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([None], ""),
        ([1.0], "▁"),
        ([1.0, 1.0], "▁▁"),
        ([0.0, 7.0, None, 3.5], "▁█ ▅"),
        ([9.0, 1.0, 2.0, 3.0], "▁▅█"),
    ],
)
def test_bars_stand_for_the_newest_values(values: list[float | None], bars: str) -> None:
    assert spark(values, 4 if len(values) < 4 or values[0] == 0.0 else 3) == bars


def test_the_chosen_link_is_marked_and_always_among_those_that_are_shown() -> None:
    overview = shown(100)
    for index in (0, 50, 99):
        chosen = overview.links[index].address
        lines = screen(overview, order="traffic", is_paused=False, width=80, height=24, chosen=chosen)
        assert next(line for line in lines if line.startswith(">")).startswith(f"> {chosen}")
        assert len(lines) == 24
        assert max(map(len, lines)) <= 80
    gone = screen(overview, order="traffic", is_paused=False, width=80, height=24, chosen="400::1")
    assert not [line for line in gone if line.startswith(">")]
