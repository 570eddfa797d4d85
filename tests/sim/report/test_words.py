"""Values in words: each with its unit, none as Python writes it, and nothing where there is no value."""

import math

import pytest

from sim.play.figures import NAMES
from sim.quantiles import Quantiles
from sim.report.words import FIGURES, count, describe, figure, kilobytes, rate, seconds, share, spread, typed


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (None, ""), (3.0, "3"), (0.05, "0.05"), (7, "7"), ("x", "x")]
)
def test_a_parameter_is_written_as_it_is_typed(value: object, text: str) -> None:
    assert typed(value) == text


def test_quantities_have_units() -> None:
    assert [seconds(value) for value in (0.0, 0.0002, 0.0083, 0.25, 1, 75.5)] == [
        "0 ms",
        "0.2 ms",
        "8.3 ms",
        "250 ms",
        "1.00 s",
        "75.50 s",
    ]
    assert (count(53_100), kilobytes(67_400), rate(12.34), share(0.7312)) == ("53,100", "67.4 kB", "12.3 B/s", "73.1%")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_text(value: float | None) -> None:
    assert [word(value) for word in (seconds, count, kilobytes, rate, share)] == [None] * 5
    assert figure("outage_max_s", value) is None
    assert describe({"x_s": value, "flag": False}) == ""


def test_a_spread_is_one_value_where_all_are_alike() -> None:
    assert spread(Quantiles(median=0.2, p99=0.2, max=0.2)) == "200 ms"
    assert spread(Quantiles(median=0.2, p99=0.3, max=1.5)) == "median 200 ms, p99 300 ms, max 1.50 s"
    assert spread(Quantiles(median=0.2, p99=math.nan, max=1.5)) is None
    assert spread(None) is None


def test_every_figure_has_words() -> None:
    assert FIGURES.keys() == set(NAMES)


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"link": [0, 3], "one_way": False, "is_told": True}, "link 0-3, told"),
        ({"links": [[0, 3], [4, 5]]}, "links 0-3, 4-5"),
        ({"links": [[1.25, 0, 3]]}, "links 0-3 at 1.25 s"),
        ({"flow": [46, 8], "since": 1.5}, "flow 46 to 8, since 1.5"),
        ({"nodes": list(range(20))}, "nodes 0, 1, 2, 3, 4, 5, 6, 7, …"),
        ({"settled_s": 0.2489, "bytes_per_node": 50_580.0}, "settled 249 ms, 50.6 kB per node"),
        ({"s": 10, "bytes_per_node_per_s": 11.2}, "10 s, 11.2 B/s per node"),
        ({"bytes_per_s": 1e6, "share": 0.5, "loss": 0.01}, "1,000,000.0 B/s, share 50.0%, loss 1.0%"),
        ({"cause": "silent", "down_s": 2.0, "last_events": [{}], "reproduce": {}}, "cause silent, down 2.00 s"),
        ({"steps": {"do": "cut", "count": 3}}, "steps do cut, count 3"),
        (
            {"promise": "outage_max_s", "bound": 3.0, "found": None},
            "longest outage of a flow while there was a path: was not measured, promised at most 3.00 s",
        ),
        (
            {"promise": "false_dead", "bound": 0, "found": 1, "links": [[1.5, 2, 3]]},
            "links given up though they worked: was 1, promised at most 0 (links 2-3 at 1.50 s)",
        ),
    ],
)
def test_fields_of_records_are_words(details: dict[str, object], text: str) -> None:
    assert describe(details) == text


def test_a_long_text_is_cut() -> None:
    assert len(describe({f"field {number}": "x" * 50 for number in range(9)})) == 200
