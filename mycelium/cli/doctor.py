"""`mycelium doctor`: what keeps this node from working, and the one thing to do about each."""

import os
import textwrap
from typing import TYPE_CHECKING, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import print_json, style, terminal_width
from mycelium.errors import NoDaemon

if TYPE_CHECKING:
    from mycelium.admin.checkup import Finding, NodeFacts
    from mycelium.api.client import ApiClient

_EXIT: Final = {"ok": 0, "warn": 1, "fail": 4}  # statuses by the worst level
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_LEVEL_WIDTH: Final = 6
_CHECK_WIDTH: Final = 10


@click.command
@options.client
@options.key_file
@options.of("no_tun")
@options.as_json
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> int:
    """Look for what keeps this node from working. It says what to do about it.

    Run it on the host of the daemon. Where none runs, it looks at what a start would meet. The exit status is 0 if
    all is well, 1 if something should be looked at, 4 if something does not work.
    """
    from mycelium.admin import config
    from mycelium.admin.checkup import examine, worst
    from mycelium.cli import host_facts

    node = _ask(connect(context))
    if isinstance(node, str):
        given = options.given(context)
        host = host_facts.before_a_start(config.load(given), config.config_file(given, os.environ))
    else:
        host = host_facts.running(node.status.tun, node.status.listening)
    found = examine(host, node)
    if as_json:
        print_json(found)
    else:
        for finding in found:
            click.echo("\n".join(_lines(finding)))
    return _EXIT[worst(found).value]


def _ask(daemon: "ApiClient") -> "NodeFacts | str":
    """Returns what the daemon tells, or why none does."""
    from mycelium.admin.checkup import NodeFacts

    try:
        return NodeFacts(daemon.status(), daemon.peers(), daemon.links(), daemon.knocks())
    except NoDaemon as error:
        return str(error)


def _lines(finding: "Finding") -> list[str]:
    """Returns a finding as lines that fit the terminal."""
    level = style(f"{finding.level.value:<{_LEVEL_WIDTH}}", colour=_COLOURS[finding.level.value])
    indent = " " * (_LEVEL_WIDTH + _CHECK_WIDTH)
    room = terminal_width()
    lines = []
    for mark, text in (("", finding.text), ("-> ", finding.remedy)):
        width = 10_000 if room is None else max(room - len(indent), 20)
        lines += textwrap.wrap(mark + text, width, break_long_words=False, break_on_hyphens=False) if text else []
    return [f"{level}{finding.check:<{_CHECK_WIDTH}}{lines[0]}", *(indent + line for line in lines[1:])]
