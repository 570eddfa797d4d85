"""The screen of `mycelium top` about one link, as lines."""

from typing import Final

from mycelium.admin.diagnosis import LinkInfo, PathInfo
from mycelium.admin.table import Column
from mycelium.cli.output import cost_ms, duration, size
from mycelium.cli.top_model import LinkRow, Overview
from mycelium.cli.top_view import SESSION_COLUMNS, event_line, milliseconds, part, per_second, spark
from mycelium.quantity import quantity

_KEYS: Final = "Escape back  up/down another link  p pause  q quit"


def details(shown: Overview, row: LinkRow, link: LinkInfo, *, width: int, height: int) -> list[str]:
    """Returns at most `height` lines of at most `width` columns about a link, the newest events last."""
    sessions = [one for one in shown.sessions if one.next_hop == link.address]
    about = [one for one in shown.events if link.address in (one.node, one.before, one.after)]
    lines = [
        *_head(row, link, width),
        "",
        *part(_PATH_COLUMNS, link.paths, min(len(link.paths), max(height // 5, 1)), width),
        "",
        *part(SESSION_COLUMNS, sessions, min(len(sessions), max(height // 5, 1)), width),
        "Events of this link",
    ]
    room = max(height - len(lines), 0)
    lines += [event_line(one, width) for one in about[-room:] if room]
    return [line[:width] for line in lines[:height]]


def _head(row: LinkRow, link: LinkInfo, width: int) -> list[str]:
    up = "" if link.up_s is None else f" for {duration(link.up_s)}"
    cost = "none" if link.cost is None else f"{cost_ms(link.cost)} ms"
    loss = "unknown" if link.loss is None else f"{link.loss:.1%}"
    now, median, most = (milliseconds(one) or "-" for one in (row.rtt_ms, row.median_ms, row.p95_ms))
    return [
        f"{link.name}  {link.address}" if link.name else link.address,
        _KEYS,
        f"key {link.public_key}",
        f"{link.state}{up}, known for {duration(link.known_s)}, heard {duration(link.last_heard_s)} ago",
        f"round trip {now} ms, median {median}, 95 % below {most}   {spark(row.rtts_ms, max(width - 52, 8))}",
        f"loss {loss}, cost {cost}, {quantity(link.routes, 'node')} over it",
        f"in {per_second(row.rx_rate)}, out {per_second(row.tx_rate)}; "
        f"received {size(link.rx_bytes)}, sent {size(link.tx_bytes)}",
    ]


_PATH_COLUMNS: Final[tuple[Column[PathInfo], ...]] = (
    Column("Path", lambda one: one.endpoint, must_show=True),
    Column("State", lambda one: one.state, must_show=True),
    Column("RTT ms", lambda one: milliseconds(one.rtt_ms), is_number=True),
    Column("MTU", lambda one: str(one.mtu), is_number=True),
    Column("Sent", lambda one: size(one.tx_bytes), is_number=True),
    Column("Received", lambda one: size(one.rx_bytes), is_number=True),
)
