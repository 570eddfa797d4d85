"""Which path is used: the quickest that is alive, and of about equal ones that over the preferred medium."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.link.path.choice import QUICKER_FOR_S, PathChoice
from mycelium.link.path.liveness import PathState
from mycelium.link.path.path import Path


def path_of(rtt_s: float, scheme: str = "udp", *, is_validated: bool = True) -> Path:
    path = Path(0, Endpoint(scheme, "192.0.2.1", 9651), now=0.0)
    path.is_validated = is_validated
    path.rtt.sample(rtt_s, now=0.0)
    return path


def cut(path: Path) -> Path:
    path.liveness.lose("cut", now=0.0)
    return path


def chosen(active: Path, *others: Path) -> Path:
    """Has the choice made often enough that what must last for a while has lasted."""
    choice = PathChoice()
    assert choice.best(active, [active, *others], now=0.0) is active
    return choice.best(active, [active, *others], now=QUICKER_FOR_S)


def test_a_clearly_quicker_path_takes_over_after_a_while() -> None:
    slow, quick = path_of(0.020), path_of(0.010)
    choice = PathChoice()
    assert choice.best(slow, [slow, quick], now=0.0) is slow
    assert choice.best(slow, [slow, quick], now=QUICKER_FOR_S * 0.9) is slow
    assert choice.best(slow, [slow, quick], now=QUICKER_FOR_S) is quick


@pytest.mark.parametrize("rtt_s", [0.0161, 0.025])
def test_a_path_that_is_not_clearly_quicker_takes_nothing_over(rtt_s: float) -> None:
    active = path_of(0.020)
    assert chosen(active, path_of(rtt_s)) is active


def test_a_path_in_doubt_is_left_at_once_for_the_quickest_that_is_usable() -> None:
    paths = [path_of(0.001, is_validated=False), cut(path_of(0.002)), path_of(0.050), path_of(0.030)]
    active = cut(path_of(0.005))
    assert PathChoice().best(active, [active, *paths], now=0.0) is paths[3]
    assert PathChoice().best(active, [active], now=0.0) is active


@pytest.mark.parametrize("state", [PathState.SUSPECT, PathState.DEAD])
def test_a_path_that_is_silent_too_takes_nothing_over(state: PathState) -> None:
    active, asked, proven = cut(path_of(0.005)), path_of(0.001), path_of(0.050)
    active.liveness.state = state
    asked.liveness.probe_now(now=0.0)
    asked.liveness.handle_timeout(now=0.0)
    assert PathChoice().best(active, [active, asked], now=0.0) is asked
    assert PathChoice().best(active, [active, asked], now=0.030) is asked
    assert PathChoice().best(active, [active, asked], now=0.035) is active
    assert PathChoice().best(active, [active, asked, proven], now=0.035) is proven
    asked.liveness.probe_answered(now=0.035)
    assert PathChoice().best(active, [active, asked], now=0.040) is asked


def test_of_about_equal_paths_the_one_over_the_preferred_medium_is_used() -> None:
    tcp, udp = path_of(0.020, "tcp"), path_of(0.0215)
    assert chosen(tcp, udp) is udp
    assert chosen(udp, tcp) is udp


def test_the_preferred_medium_is_no_reason_to_take_a_slower_path() -> None:
    tcp, udp = path_of(0.020, "tcp"), path_of(0.023)
    assert chosen(tcp, udp) is tcp


def test_a_clearly_quicker_path_is_used_over_any_medium() -> None:
    tcp, udp = path_of(0.010, "tcp"), path_of(0.020)
    assert chosen(udp, tcp) is tcp


def test_where_the_path_in_use_fails_an_equal_one_over_the_preferred_medium_is_next() -> None:
    active, tcp, udp = cut(path_of(0.001)), path_of(0.020, "tcp"), path_of(0.021)
    assert PathChoice().best(active, [active, tcp, udp], now=0.0) is udp


@pytest.mark.parametrize(("rtt_s", "is_quicker"), [(0.000_55, False), (0.000_45, True)])
def test_on_short_paths_a_path_is_quicker_by_half_a_millisecond_at_least(rtt_s: float, is_quicker: bool) -> None:
    active, other = path_of(0.001), path_of(rtt_s)
    assert (chosen(active, other) is other) is is_quicker


@pytest.mark.parametrize(("rtt_s", "is_equal"), [(0.001_2, True), (0.001_3, False)])
def test_on_short_paths_a_quarter_of_a_millisecond_makes_no_difference(rtt_s: float, is_equal: bool) -> None:
    tcp, udp = path_of(0.001, "tcp"), path_of(rtt_s)
    assert (chosen(tcp, udp) is udp) is is_equal


def test_a_path_that_is_no_longer_quicker_starts_again() -> None:
    slow, quick, other = path_of(0.020), path_of(0.010), path_of(0.019)
    choice = PathChoice()
    choice.best(slow, [slow, quick], now=0.0)
    choice.best(slow, [slow, other], now=1.0)
    assert choice.best(slow, [slow, quick], now=QUICKER_FOR_S) is slow
    assert choice.best(slow, [slow, quick], now=QUICKER_FOR_S * 2) is quick


def test_each_quicker_path_has_to_last_for_itself() -> None:
    slow, quick, quicker = path_of(0.020), path_of(0.010), path_of(0.005)
    choice = PathChoice()
    choice.best(slow, [slow, quick], now=0.0)
    assert choice.best(slow, [slow, quick, quicker], now=QUICKER_FOR_S) is slow
    assert choice.best(slow, [slow, quick, quicker], now=QUICKER_FOR_S * 2) is quicker


def test_where_the_path_in_use_fails_the_preferred_medium_does_not_outweigh_a_longer_way() -> None:
    active, tcp, udp = cut(path_of(0.001)), path_of(0.020, "tcp"), path_of(0.050)
    assert PathChoice().best(active, [active, tcp, udp], now=0.0) is tcp
