"""The screen of `mycelium top`, as lines."""

import time
from collections.abc import Sequence
from typing import Any, Final

from mycelium.admin.control import EventInfo
from mycelium.admin.event_text import describe
from mycelium.admin.table import Column, table_lines
from mycelium.cli.output import duration, size
from mycelium.cli.top_model import LinkRow, Overview, SessionRow
from mycelium.quantity import quantity

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARKS: Final = 20  # columns of a round trip's history
_HEADINGS: Final = 5  # lines between the parts: three headings, and two empty ones
_LEAST_EVENTS: Final = 4
_LEAST_SESSIONS: Final = 2


def screen(
    shown: Overview, *, order: str, is_paused: bool, width: int, height: int, chosen: str | None = None
) -> list[str]:
    """Returns at most `height` lines of at most `width` columns; the link with the address `chosen` is marked."""
    head = _head(shown, order=order, is_paused=is_paused, width=width)
    room = max(height - len(head) - _HEADINGS, 3)
    links = min(len(shown.links), max(room - _LEAST_EVENTS - min(len(shown.sessions), _LEAST_SESSIONS), 1))
    sessions = min(len(shown.sessions), max(room - links - _LEAST_EVENTS, 1))
    events = room - max(links, 1) - max(sessions, 1)
    lines = [
        *head,
        "",
        *part(_link_columns(chosen), shown.links, links, width, first=_first_shown(shown, chosen, links)),
        "",
        *part(SESSION_COLUMNS, shown.sessions, sessions, width),
        f"{'Events':<{width}}".rstrip(),
        *(event_line(one, width) for one in shown.events[-events:] if events > 0),
    ]
    return [line[:width] for line in lines[:height]]


def _head(shown: Overview, *, order: str, is_paused: bool, width: int) -> list[str]:
    choose = "up/down choose  Enter details"
    keys = f"sorted by {order}  {choose}  s sort  p pause  q quit"
    keys = keys if not is_paused else f"paused  {choose}  p goes on  q quit"
    first = f"{shown.address}  up {duration(shown.uptime_s)}  mycelium {shown.version}"
    second = (
        f"{shown.peers_alive} of {shown.peers_total} peers alive  {quantity(shown.routes, 'node')}  "
        f"in {per_second(shown.rx_rate)}  out {per_second(shown.tx_rate)}"
    )
    return [first, second, keys]


def part(columns: Sequence[Column[Any]], rows: Sequence[Any], count: int, width: int, *, first: int = 0) -> list[str]:
    """Returns a heading and some rows from `first` on, each on one line; the heading tells how many are left out."""
    heading, *lines = table_lines(columns, rows[first : first + count], room=width)
    left_out = len(rows) - count
    if left_out > 0:
        heading = f"{heading.rstrip()}  ({left_out} more)"
    return [line.partition("\n")[0] for line in (heading, *lines)]


def event_line(event: EventInfo, width: int) -> str:
    """Returns an event with its time of day."""
    return f"{time.strftime('%H:%M:%S', time.localtime(event.time))} {describe(event)}"[:width]


def per_second(rate: float) -> str:
    """Writes a number of bytes a second."""
    return f"{size(round(rate))}/s"


def milliseconds(value: float | None) -> str:
    """Writes a time, or nothing for none."""
    return "" if value is None else f"{value:.1f}"


def spark(values: Sequence[float | None], columns: int) -> str:
    """Draws the newest values as bars between the least and the most of them; a gap where there is none."""
    newest = values[-columns:]
    known = [value for value in newest if value is not None]
    if not known:
        return ""
    least, span = min(known), max(max(known) - min(known), 1e-9)
    top = len(_BARS) - 1
    return "".join(" " if value is None else _BARS[round((value - least) / span * top)] for value in newest)


def _first_shown(shown: Overview, chosen: str | None, count: int) -> int:
    """Returns the first link that is shown, so that the chosen one is among them."""
    at = next((index for index, one in enumerate(shown.links) if one.address == chosen), 0)
    return max(at - count + 1, 0)


def _link_columns(chosen: str | None) -> tuple[Column[LinkRow], ...]:
    if chosen is None:
        return (Column("Link", lambda one: one.name or one.address, must_show=True), *_LINK_COLUMNS)
    marked = Column[LinkRow](
        "  Link", lambda one: f"{'>' if one.address == chosen else ' '} {one.name or one.address}", must_show=True
    )
    return (marked, *_LINK_COLUMNS)


_LINK_COLUMNS: Final[tuple[Column[LinkRow], ...]] = (
    Column("State", lambda one: one.state, must_show=True),
    Column("RTT ms", lambda one: milliseconds(one.rtt_ms), is_number=True),
    Column("Loss", lambda one: "" if one.loss is None else f"{one.loss:.1%}", is_number=True),
    Column("In", lambda one: size(round(one.rx_rate)), is_number=True),
    Column("Out/s", lambda one: size(round(one.tx_rate)), is_number=True),
    Column("Median", lambda one: milliseconds(one.median_ms), is_number=True),
    Column("95 %", lambda one: milliseconds(one.p95_ms), is_number=True),
    Column("RTT", lambda one: spark(one.rtts_ms, _SPARKS)),
)
SESSION_COLUMNS: Final[tuple[Column[SessionRow], ...]] = (
    Column("Session", lambda one: one.name or one.node, must_show=True),
    Column("Out/s", lambda one: size(round(one.tx_rate)), is_number=True),
    Column("Loss", lambda one: f"{one.loss:.1%}", is_number=True),
    Column("Idle for", lambda one: duration(one.idle_s), is_number=True),
    Column("Way", lambda one: "direct" if one.direct else "relayed" if one.next_hop else "none"),
    Column("Next hop", lambda one: one.next_hop or ""),
)
