"""`mycelium top`: the daemon at work, once a second, on the whole screen."""

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import is_terminal, print_json, terminal_width

if TYPE_CHECKING:
    from mycelium.api.client import ApiClient
    from mycelium.cli.top_keys import TopKeys
    from mycelium.cli.top_model import Overview, Sample, TopModel

_EVERY_S: Final = 1.0
_KEY_BYTES: Final = 8  # that a terminal sends for one key, at most
_ENTER: Final = "\x1b[?1049h\x1b[?25l"  # another screen, without a cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"


@click.command
@options.client
@options.as_json
@click.option("--once", is_flag=True, help="Show one second and end; with --json for programs.")
@click.pass_context
def top(context: click.Context, as_json: bool, once: bool) -> None:
    """Show links, sessions and events, once a second. It takes the whole screen.

    Up and down choose a link, Enter shows all about it, Escape goes back; s sorts the links by another column, p pauses,
    q quits.
    """
    from mycelium.cli.top_model import TopModel
    from mycelium.cli.top_view import screen

    daemon, model = connect(context), TopModel()
    if once or as_json or not is_terminal():
        first = _sample(daemon, 0)
        model.take(first)
        time.sleep(_EVERY_S)
        shown = model.take(_sample(daemon, _newest(first)))
        if as_json:
            print_json(shown)
        else:
            width = terminal_width() or 80
            click.echo("\n".join(screen(shown, order=model.order, is_paused=False, width=width, height=24)))
        return
    with _whole_screen():
        _follow(daemon)


def _follow(daemon: "ApiClient") -> None:
    """Draws until q is pressed."""
    from mycelium.cli.top_keys import TopKeys
    from mycelium.cli.top_model import TopModel

    model, keys, newest = TopModel(), TopKeys(), 0
    sample = _sample(daemon, newest)
    shown = model.take(sample)
    while not keys.is_over:
        _draw(_lines(shown, model, keys))
        key = _key(sample.at + _EVERY_S - time.monotonic())
        keys.press(key, model, [link.address for link in shown.links])
        if not keys.is_paused and time.monotonic() >= sample.at + _EVERY_S:
            newest = max(newest, _newest(sample))
            sample = _sample(daemon, newest)
            shown = model.take(sample)


def _lines(shown: "Overview", model: "TopModel", keys: "TopKeys") -> list[str]:
    """Returns what fills the screen: all, or the chosen link."""
    from mycelium.cli.top_details import details
    from mycelium.cli.top_view import screen

    width, height = os.get_terminal_size(sys.stdout.fileno())
    link = model.link(keys.chosen) if keys.is_open else None
    row = next((one for one in shown.links if one.address == keys.chosen), None)
    if link is not None and row is not None:
        return details(shown, row, link, width=width, height=height)
    return screen(shown, order=model.order, is_paused=keys.is_paused, width=width, height=height, chosen=keys.chosen)


def _sample(daemon: "ApiClient", after: int) -> "Sample":
    from mycelium.cli.top_model import Sample

    answers = daemon.status(), daemon.links(), daemon.sessions(), daemon.events(after)
    return Sample(time.monotonic(), *answers)


def _newest(sample: "Sample") -> int:
    return max((event.sequence for event in sample.events), default=0)


def _key(wait_s: float) -> str:
    """Returns the name of a pressed key, or nothing after so many seconds."""
    from mycelium.cli.top_keys import key_name

    ready, _, _ = select.select([sys.stdin], (), (), max(wait_s, 0.05))
    return key_name(os.read(sys.stdin.fileno(), _KEY_BYTES)) if ready else ""


def _draw(lines: list[str]) -> None:
    text = f"{_REST_OF_LINE}\r\n".join(lines)
    sys.stdout.write(f"{_HOME}{text}{_REST_OF_LINE}{_REST_OF_SCREEN}")
    sys.stdout.flush()


@contextlib.contextmanager
def _whole_screen() -> Iterator[None]:
    """Has the screen for itself, and keys as they are pressed; gives both back."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    sys.stdout.write(_ENTER)
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
