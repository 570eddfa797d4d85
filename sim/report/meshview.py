"""The mesh of a report as a map in its page, drawn by what draws the map of the daemon's page."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

from .meshmap import cut_links, is_alive, places_of
from .report import Report

_HERE: Final = Path(__file__).parent
_PAGE: Final = files("mycelium") / "page"

COLOURS: Final = (_PAGE / "colours.css").read_text()
STYLE: Final = """
#map { display: block; width: 100%; height: min(70vh, 34rem); touch-action: none; cursor: grab; }
.view { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem;
  margin: 0 0 .5rem; color: var(--muted); }
"""
_LABEL: Final = "Map of the mesh. Arrow keys go from node to node, plus and minus zoom."


def map_section(report: Report) -> str:
    """Returns the map with all that it takes; nothing for a run without one."""
    mesh = report.map
    if mesh is None or not mesh.edges:
        return ""
    cut = cut_links(report)
    half = {(min(ends), max(ends)) for ends in mesh.half}
    told = {
        "nodes": [[node, round(x, 4), round(y, 4)] for node, (x, y) in _centred(places_of(report, mesh)).items()],
        "links": [
            [a, b, round(1_000 * delay, 4), 3 if (a, b) in half else 2 if not is_alive(state) else int((a, b) in cut)]
            for a, b, delay, state in mesh.edges
        ],
    }
    scripts = (_PAGE / "map.js", _PAGE / "layout.js", _PAGE / "mesh.js", _HERE / "meshview.js")
    return "\n".join(
        (
            '<h2>Map</h2><div class="card"><p class="view"><span id="view"></span>',
            '<button id="whole" hidden>The whole mesh</button></p>',
            f'<canvas id="map" tabindex="0" role="img" aria-label="{_LABEL}"></canvas></div>',
            f'<script type="application/json" id="mesh">{json.dumps(told, separators=(",", ":"))}</script>',
            *(f'<script type="text/javascript">{script.read_text()}</script>' for script in scripts),
        )
    )


def _centred(places: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    """Returns the places with the middle of their extent at the origin."""
    (left, right), (bottom, top) = ((min(axis), max(axis)) for axis in zip(*places.values(), strict=True))
    return {node: (x - (left + right) / 2, y - (bottom + top) / 2) for node, (x, y) in places.items()}
