"""`mycelium speedtest`: what gets through to another node, end to end inside the session, and back."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.diagnosis import UNREACHABLE, echo_folded, named
from mycelium.cli.output import is_terminal, print_json
from mycelium.limits import SPEED_TEST_LEAST_S, SPEED_TEST_S

if TYPE_CHECKING:
    from mycelium.admin.speed import DirectionInfo, SpeedInfo

FAILED: Final = 1  # exit status where a node that was reached does not take part
_SILENCE_S: Final = 20.0  # within which the daemon says how it goes
_BAR: Final = "%(label)s [%(bar)s] %(info)s"
_UNITS: Final = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s")


@click.command
@options.client
@options.as_json
@click.option(
    "--seconds",
    "-s",
    default=5.0,
    type=options.Seconds(SPEED_TEST_LEAST_S, SPEED_TEST_S),
    show_default=True,
    help="For how long, in each direction.",
)
@click.argument("node", metavar="NODE")
@click.pass_context
def speedtest(context: click.Context, node: str, seconds: float, as_json: bool) -> int:
    """Measure what gets through to a node and back. It goes end to end, and needs no TUN device on either side.

    NODE is a name, an address, a subnet, a public key, or the beginning of an address. The exit status is 4 if it can't
    be reached, and 1 if it does not take part.
    """
    from mycelium.admin.speed import SpeedWish

    told = connect(context, timeout_s=_SILENCE_S).speed_test(SpeedWish(node, seconds))
    *_, last = told if as_json else _with_bar(told, seconds)
    if as_json:
        print_json(last)
    else:
        for line in _result(last):
            echo_folded(line)
    return 0 if last.error is None else FAILED if last.refused else UNREACHABLE


def _with_bar(told: "Iterator[SpeedInfo]", seconds: float) -> "Iterator[SpeedInfo]":
    """Passes on what is told, with a bar on a terminal that shows how far a test is."""
    if not is_terminal():
        yield from told
        return
    with click.progressbar(
        length=round(2_000 * seconds), bar_template=_BAR, width=24, show_eta=False, item_show_func=_now
    ) as bar:
        done = 0
        for one in told:
            both = one.sent, one.received
            at = round(sum(1_000 * min(way.seconds, seconds) for way in both if way is not None))
            bar.label = one.phase.value.ljust(len("receiving"))
            bar.update(max(at - done, 0), one)
            done = max(at, done)
            yield one


def _now(one: "SpeedInfo | None") -> str:
    way = None if one is None else one.received or one.sent
    return "" if way is None else _rate(way.bits_per_s)


def _result(one: "SpeedInfo") -> list[str]:
    """Returns the result as lines."""
    if one.error is not None and one.sent is None:
        return [f"{named(one.node, one.name)}: {one.error}"]
    relays = [hop.name or hop.node or "a node that does not answer" for hop in one.hops[:-1]]
    way = "direct" if one.direct else f"over {', '.join(relays) or one.next_hop}"
    idle = "" if one.rtt_ms is None else f", {one.rtt_ms:.2f} ms"
    lines = [f"to {named(one.node, one.name)}, {way}{idle}"]
    lines += [_line(label, way) for label, way in (("sent", one.sent), ("received", one.received)) if way is not None]
    if one.ended_early:
        lines.append("It sends back no more than it was sent: so the second direction was shorter.")
    if one.way_changed:
        lines.append("The way has changed meanwhile: 'mycelium events' says why.")
    return lines if one.error is None else [*lines, f"not received: {one.error}"]


def _line(label: str, way: "DirectionInfo") -> str:
    loaded = "" if way.rtt_ms is None else f", {way.rtt_ms:.2f} ms meanwhile"
    return f"{label:<9} {_rate(way.bits_per_s):>12}, {way.loss:.1%} lost{loaded}"


def _rate(bits_per_s: float | None) -> str:
    """Writes a rate with three digits, as in 94.3 Mbit/s."""
    if bits_per_s is None:
        return "too short"
    value, *units = bits_per_s, *_UNITS
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1_000, units[1:]
    return f"{value:.3g} {units[0]}"
