"""Ways of pairs behind NATs, in words."""

from typing import Any

from sim.report.records import WayRecord
from sim.report.report import collect
from sim.report.ways import way_rows, ways_in_short

FOUND: dict[str, Any] = {
    "type": "way",
    "t": 9.0,
    "kinds": ["full cone", "symmetric"],
    "way": "direct",
    "found_s": 0.4,
    "before_s": 0.02,
    "after_s": 0.005,
    "lost": 0,
}
NOT_FOUND: dict[str, Any] = {**FOUND, "way": "relayed", "found_s": None, "after_s": 0.02, "lost": 1}


def test_each_pair_has_a_row() -> None:
    report = collect([FOUND, NOT_FOUND])
    assert list(way_rows(report)) == [
        ("full cone to symmetric", "directly after 400 ms, a packet takes 5 ms (first 20 ms), none lost"),
        ("full cone to symmetric", "over relays, a packet takes 20 ms, 1 packet lost"),
    ]


def test_several_looks_are_told_apart() -> None:
    names = [name for name, _ in way_rows(collect([FOUND, {**FOUND, "t": 19.0}]))]
    assert names == ["full cone to symmetric, at 9.00 s", "full cone to symmetric, at 19.00 s"]


def test_the_last_look_is_told_in_short() -> None:
    direct = WayRecord(t=1.0, way="direct", found_s=0.4)
    relayed = WayRecord(t=1.0, lost=2)
    assert ways_in_short([direct]) == "The pair talks directly, after 400 ms at most, without losing a packet"
    assert ways_in_short([relayed]) == "The pair talks over relays, with 2 packets lost"
    assert ways_in_short([WayRecord(lost=7), direct, direct, relayed]) == (
        "Of 3 pairs behind NATs 2 talk directly and 1 talks over relays, after 400 ms at most, with 2 packets lost"
    )
