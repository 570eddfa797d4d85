"""The report of a run as files: plots as PNG, and one self-contained HTML page."""

import base64
from collections.abc import Iterable
from html import escape
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from mycelium import __version__
from mycelium.errors import ConfigError

from .meshview import COLOURS, STYLE, map_section
from .plots import PLOTS, draw_plots
from .report import Report, reproduction
from .summary import Row, key_rows, number_rows
from .theme import DARK, LIGHT, Theme
from .verdict import verdict
from .words import describe, seconds

PAGE: Final = "report.html"
MAP: Final = "map"  # name of the plot
_ROWS: Final = 500  # actions or violations on the page, at most

_STYLE: Final = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 72rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .7rem; }
p.verdict { font-size: 1.15rem; font-weight: 600; margin: .6rem 0 1.2rem; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; overflow-x: auto; }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.plots .card { margin: 0; display: flex; align-items: center; justify-content: center; }
.plots img { display: block; max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
tr:last-child th, tr:last-child td { border-bottom: 0; }
th { font-weight: 600; width: 18rem; }
td.time { white-space: nowrap; width: 6rem; } .bad { color: var(--bad); }
footer { color: var(--muted); margin-top: 2rem; font-size: .85rem; }
@media (max-width: 40rem) {
  body { padding: 1rem .6rem 3rem; } .card { padding: .7rem; } .plots .card { padding: .3rem; }
  tr { display: block; padding: .35rem 0; border-bottom: 1px solid var(--line); } tr:last-child { border-bottom: 0; }
  th, td, td.time { display: block; width: auto; padding: 0; border-bottom: 0; }
}
"""


def write_folder(report: Report, folder: str | Path) -> list[Path]:
    """Writes the plots and the page into a folder, creating it if needed; returns the files, the page last.

    Raises ConfigError where a file can't be written.
    """
    target = Path(folder)
    written = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        light = _drawn(report, LIGHT)
        for name, image in light.items():
            written.append(target / f"{name}.png")
            written[-1].write_bytes(image)
        written.append(target / PAGE)
        written[-1].write_text(render_page(report, light, _drawn(report, DARK)), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    return written


def _drawn(report: Report, theme: Theme) -> dict[str, bytes]:
    return {name: _png(figure) for name, figure in draw_plots(report, theme)}


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # so that equal figures are equal files
    return buffer.getvalue()


def render_page(report: Report, light: dict[str, bytes], dark: dict[str, bytes]) -> str:
    """Renders the page; `light` and `dark` are the plots by name, as PNG in either set of colours."""
    run = report.run
    heading = f"{run.scenario} on {run.topology}, {run.nodes:,} nodes"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(heading)}</title><style>{COLOURS}{_STYLE}{STYLE}</style></head><body>",
            f"<h1>{escape(heading)}</h1>",
            f'<p class="verdict{" bad" if report.violations else ""}">{escape(verdict(report))}</p>',
            _recipe(report),
            _rows(key_rows(report)),
            map_section(report),
            _plots(light, dark),
            _events("Actions", ((action.t, action.what, action.details) for action in report.actions)),
            _events("Violations", ((broken.t, broken.what, broken.details) for broken in report.violations), bad=True),
            f"<h2>All numbers</h2>{_rows(number_rows(report))}",
            f"<footer>mycelium-sim {escape(__version__)}. Times are virtual unless called real.</footer>",
            "</body></html>",
        )
    )


def _recipe(report: Report) -> str:
    """Returns how to see the first violation again."""
    commands = filter(None, (reproduction(violation) for violation in report.violations))
    return "".join(f"<p><code>{escape(command)}</code> reproduces this.</p>" for command in islice(commands, 1))


def _rows(rows: Iterable[Row]) -> str:
    cells = (f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return "\n".join(('<div class="card"><table>', *cells, "</table></div>"))


def _plots(light: dict[str, bytes], dark: dict[str, bytes]) -> str:
    if light.keys() <= {MAP}:  # which is on the page as one that can be explored
        return ""
    figures = (
        _picture(name, light[name], dark.get(name, light[name])) for name in PLOTS if name in light and name != MAP
    )
    return "\n".join(("<h2>Plots</h2>", '<div class="plots">', *figures, "</div>"))


def _picture(name: str, light: bytes, dark: bytes) -> str:
    return (
        f'<figure class="card"><picture><source media="(prefers-color-scheme: dark)" srcset="{_uri(dark)}">'
        f'<img alt="plot: {escape(name)}" src="{_uri(light)}"></picture></figure>'
    )


def _uri(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


def _events(heading: str, events: Iterable[tuple[float | None, str, dict[str, object]]], *, bad: bool = False) -> str:
    rows = [
        f'<tr><td class="time">{seconds(t) or ""}</td>'
        f"<th{' class=bad' if bad else ''}>{escape(what)}</th><td>{escape(describe(details))}</td></tr>"
        for t, what, details in events
    ]
    if not rows:
        return ""
    more = [f"<tr><td></td><td></td><td>and {len(rows) - _ROWS:,} more</td></tr>"] if len(rows) > _ROWS else []
    return "\n".join((f"<h2>{heading}</h2>", '<div class="card"><table>', *rows[:_ROWS], *more, "</table></div>"))
