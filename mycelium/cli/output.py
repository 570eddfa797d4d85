"""Output of commands: JSON for programs, fields and quantities for people."""

from collections.abc import Iterable

import click
import msgspec


def print_json(value: object) -> None:
    """Prints any structure or list of them, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Prints one name and value per line, the values aligned."""
    for name, value in fields:
        click.echo(f"{name:<12} {value}")


def duration(seconds: float) -> str:
    """Writes a time span by its two largest units, as in 1h02m."""
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{whole % 60:02}s" if minutes else f"{whole}s"


def size(count: int) -> str:
    """Writes a number of bytes with three digits at least, as in 1.46 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1_024:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
        value /= 1_024
    return f"{value:.1f} TiB"
