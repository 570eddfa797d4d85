"""`mycelium capture` and `mycelium dissect`: the daemon's datagrams with what opens them, and what is in them."""

import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from mycelium.cli import options
from mycelium.cli.connection import connect
from mycelium.cli.output import is_terminal
from mycelium.errors import LocalError
from mycelium.quantity import quantity

if TYPE_CHECKING:
    from mycelium.capture.parts import DatagramPart
    from mycelium.capture.pcapng import CapturedDatagram

_SILENCE_S: Final = 20.0  # within which the daemon says something
_READ_BYTES: Final = 1 << 16
_OWNER_ONLY: Final = 0o600
_WARNING: Final = (
    "{name} holds the keys of this node's links and sessions: whoever has it can read all that is in it, and whatever else "
    "was recorded of them. Hand it to nobody, and delete it when it is read."
)


@click.command
@options.client
@options.as_json
@click.option("--write", "-w", metavar="FILE", help="Write a file of the format pcapng instead; - is standard output.")
@click.option("--seconds", "-s", type=options.Seconds(0.1), help="End after so long; otherwise Ctrl-C does.")
@click.pass_context
def capture(context: click.Context, write: str | None, seconds: float | None, as_json: bool) -> None:
    """Show the daemon's datagrams, taken apart. Or write them and the keys that open them to a file.

    Wireshark opens such a file too, and 'mycelium dissect' takes it apart. It takes the API at a unix socket or with a token.
    """
    from mycelium.capture.pcapng import whole_blocks

    if write == "-" and is_terminal():
        raise click.UsageError("A capture is no text: name a file, or send it to another program.")
    parts = whole_blocks(_for_a_while(connect(context, timeout_s=_SILENCE_S).capture(), seconds))
    if write is None:
        _show(parts, as_json=as_json)
        return
    first = next(parts, b"")  # before anything of an older file is lost: there may be no daemon
    name = "What is written" if write == "-" else write
    click.echo(f"mycelium: {_WARNING.format(name=name)}", err=True)
    with sys.stdout.buffer if write == "-" else _private_file(Path(write)) as file:
        for part in chain([first], parts):
            file.write(part)
            file.flush()


@click.command
@options.as_json
@click.argument("file", type=click.File("rb"), metavar="FILE")
def dissect(file: BinaryIO, as_json: bool) -> None:
    """Take a file of 'mycelium capture' apart. It shows each datagram, and what the keys in it open; - is standard input."""
    _show(iter(lambda: file.read(_READ_BYTES), b""), as_json=as_json)


def _for_a_while(parts: Iterator[bytes], seconds: float | None) -> Iterator[bytes]:
    """Yields until the time is over, or Ctrl-C is pressed."""
    end = None if seconds is None else time.monotonic() + seconds
    try:
        for part in parts:
            yield part
            if end is not None and time.monotonic() >= end:
                return
    except KeyboardInterrupt:
        return


def _show(parts: Iterable[bytes], *, as_json: bool) -> None:
    from mycelium.capture.dissector import Dissector
    from mycelium.capture.keys import read_keys
    from mycelium.capture.pcapng import CapturedDatagram, CapturedKeys, CaptureDrops, CaptureReader

    reader, dissector = CaptureReader(), Dissector()
    for part in parts:
        for one in reader.feed(part):
            match one:
                case CapturedKeys():
                    dissector.learn(read_keys(one.lines))
                case CapturedDatagram():
                    _print(one, dissector.take(one.data, is_sent=one.is_sent), as_json=as_json)
                case CaptureDrops() if one.count:
                    click.echo(
                        f"mycelium: {quantity(one.count, 'datagram')} missing so far: there were too many", err=True
                    )
    if reader.holds_more:
        raise LocalError("the last block of this capture is cut off")


def _print(one: "CapturedDatagram", part: "DatagramPart", *, as_json: bool) -> None:
    if as_json:
        from msgspec.json import encode

        about = {"time": one.at, "sent": one.is_sent, "endpoint": one.endpoint}
        click.echo(encode({**about, "datagram": part}).decode())
        return
    first, *more = map(_plain, part.lines())
    at = f"{time.strftime('%H:%M:%S', time.localtime(one.at))}.{int(one.at * 1e6) % 1_000_000:06}"
    click.echo(f"{at} {'to' if one.is_sent else 'from'} {_plain(one.endpoint)} {first}")
    for line in more:
        click.echo(f"  {line}")


def _plain(text: str) -> str:
    """Returns a text that others have perhaps written, without what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _private_file(path: Path) -> BinaryIO:
    """Opens a file that only its owner may read, whatever was there before; a link is not followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER_ONLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LocalError(f"{path}: this is no regular file")
    os.fchmod(descriptor, _OWNER_ONLY)
    os.ftruncate(descriptor, 0)
    return os.fdopen(descriptor, "wb")
