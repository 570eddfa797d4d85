"""What the keys of `mycelium top` do."""

import pytest

from mycelium.cli.top_keys import DOWN, ENTER, ESCAPE, UP, TopKeys, key_name
from mycelium.cli.top_model import TopModel

LINKS = ["400::1", "400::2", "400::3"]


def pressed(*keys: str, links: list[str] = LINKS) -> TopKeys:
    state, model = TopKeys(), TopModel()
    for key in keys:
        state.press(key, model, links)
    return state


@pytest.mark.parametrize(
    ("typed", "name"),
    [(b"\x1b[A", UP), (b"\x1bOB", DOWN), (b"j", DOWN), (b"\r", ENTER), (b"\x1b", ESCAPE), (b"\x03", "q"), (b"s", "s")],
)
def test_keys_have_names(typed: bytes, name: str) -> None:
    assert key_name(typed) == name
    assert key_name(b"\xff")


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ((), None),
        ((DOWN,), 0),
        ((UP,), 0),
        ((DOWN, DOWN), 1),
        ((DOWN,) * 9, 2),
        ((DOWN, DOWN, UP, UP, UP), 0),
        ((ENTER,), 0),
    ],
)
def test_up_and_down_move_within_the_list(keys: tuple[str, ...], chosen: int | None) -> None:
    assert pressed(*keys).chosen == (None if chosen is None else LINKS[chosen])


def test_the_choice_follows_a_link_that_moves_and_begins_anew_where_it_is_gone() -> None:
    state = pressed(DOWN, DOWN)
    state.press(DOWN, TopModel(), ["400::2", "400::1"])
    assert state.chosen == "400::1"
    state.press(DOWN, TopModel(), ["400::7"])
    assert state.chosen == "400::7"
    state.press(DOWN, TopModel(), [])
    assert state.chosen is None


def test_enter_opens_escape_goes_back_and_then_ends_it_as_q_does() -> None:
    assert pressed(DOWN, ENTER).is_open
    back = pressed(ENTER, ESCAPE)
    assert (back.is_open, back.is_over) == (False, False)
    assert pressed(ENTER, ESCAPE, ESCAPE).is_over
    assert pressed(ENTER, "q").is_over
    assert not pressed(ENTER, links=[]).is_open


def test_s_sorts_and_p_pauses() -> None:
    state, model = TopKeys(), TopModel()
    state.press("s", model, LINKS)
    assert model.order == "rtt"
    for is_paused in (True, False):
        state.press("p", model, LINKS)
        assert state.is_paused is is_paused
