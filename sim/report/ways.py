"""What ways pairs of nodes behind NATs have found to each other, in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from .records import WayRecord
from .report import Report
from .words import seconds

_HOW: Final = {"direct": "directly", "leased": "across a leased port", "relayed": "over relays"}


def way_rows(report: Report) -> Iterator[tuple[str, str]]:
    """Yields what pair it is and how it talks, for each look at a pair."""
    has_several_looks = len({way.t for way in report.ways}) > 1
    for way in report.ways:
        moment = f", at {seconds(way.t)}" if has_several_looks else ""
        yield f"{' to '.join(way.kinds)}{moment}", _described(way)


def _described(way: WayRecord) -> str:
    before, after, found = seconds(way.before_s), seconds(way.after_s), seconds(way.found_s)
    parts = [
        _HOW.get(way.way, way.way) + (f" after {found}" if found else ""),
        f"a packet takes {after}{f' (first {before})' if before not in (None, after) else ''}" if after else "",
        f"{_packets(way.lost)} lost" if way.lost else "none lost",
    ]
    return ", ".join(filter(None, parts))


def ways_in_short(ways: Sequence[WayRecord]) -> str:
    """Returns how all pairs talk at the last look, and what the search cost them, in one clause."""
    last = [way for way in ways if way.t == ways[-1].t]
    counts = [(sum(way.way == kind for way in last), text) for kind, text in _HOW.items()]
    shown = [f"{number:,} {'talks' if number == 1 else 'talk'} {text}" for number, text in counts if number]
    found = seconds(max((way.found_s for way in last if way.found_s is not None), default=None))
    lost = sum(way.lost for way in last)
    cost = f"with {_packets(lost)} lost" if lost else "without losing a packet"
    talk = f"Of {len(last):,} pairs behind NATs {_joined(shown)}" if len(last) > 1 else f"The pair {shown[0][2:]}"
    return f"{talk}{f', after {found} at most' if found else ''}, {cost}"


def _packets(number: int) -> str:
    return "1 packet" if number == 1 else f"{number:,} packets"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
