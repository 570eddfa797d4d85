"""The map of the mesh: nodes at their positions or in a force-directed layout.

Links are coloured by delay; where any was cut, all others are faint, so that it is seen what was cut and what is still down.
"""

from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..graphs.layout import spring_layout
from .records import MapRecord
from .report import Report
from .theme import LIGHT, Theme, new_figure, title

_ALIVE: Final = ("up", True)
_LABELLED_NODES: Final = 40  # the numbers of more would overlap
_RINGED_LINKS: Final = 20
_NAMED_LINKS: Final = 4
_CUTS: Final = ("cut", "cut_lane", "flap")  # actions that name the link that they cut

_Place = tuple[float, float]
_Edge = tuple[int, int, float, str | bool]


def plot_map(report: Report, theme: Theme = LIGHT) -> Figure | None:
    """Draws the mesh as at the end of the run."""
    mesh = report.map
    if mesh is None or not mesh.edges:
        return None
    places = places_of(report, mesh)
    cut = cut_links(report)
    failed = [edge for edge in mesh.edges if not is_alive(edge[3])]
    mended = [edge for edge in mesh.edges if is_alive(edge[3]) and edge[:2] in cut]
    alive = [edge for edge in mesh.edges if is_alive(edge[3]) and edge[:2] not in cut]
    figure = new_figure(theme, height=4.6)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_aspect("equal", adjustable="datalim")
    if failed or mended:
        _draw_faint(axes, alive, places, theme)
        _draw_faults(axes, failed, mended, places, theme)
    else:
        _draw_links(axes, alive, places, theme)
    _draw_nodes(axes, mesh, places, theme)
    drawn_by = "places as given" if places is mesh.positions else "distances mean nothing"
    title(axes, "The mesh at the end", f"{len(places):,} nodes, {len(mesh.edges):,} links; {drawn_by}", theme)
    return figure


def is_alive(state: str | bool) -> bool:
    """Tells whether a link carries packets at the end of the run."""
    return state in _ALIVE


def cut_links(report: Report) -> set[tuple[int, int]]:
    """Returns the links that actions cut, for good or for a while, as (lower, higher) node."""
    links = (action.details.get("link") for action in report.actions if action.what in _CUTS)
    return {(min(link), max(link)) for link in links if isinstance(link, list | tuple) and len(link) == 2}


def places_of(report: Report, mesh: MapRecord) -> dict[int, _Place]:
    """Returns the place of each node, which is computed once."""
    if report.places is None:
        report.places = _places(mesh)
    return report.places


def _places(mesh: MapRecord) -> dict[int, _Place]:
    """Returns the place of each node: as given if all are, else by a force-directed layout."""
    nodes = sorted({*mesh.positions, *(end for a, b, _, _ in mesh.edges for end in (a, b))})
    if all(node in mesh.positions for node in nodes):
        return mesh.positions
    rows = {node: row for row, node in enumerate(nodes)}
    layout = spring_layout(len(nodes), [(rows[a], rows[b]) for a, b, _, _ in mesh.edges])
    return {node: (float(x), float(y)) for node, (x, y) in zip(nodes, layout, strict=True)}


def _segments(edges: list[_Edge], places: dict[int, _Place]) -> list[tuple[_Place, _Place]]:
    return [(places[a], places[b]) for a, b, _, _ in edges]


def _draw_links(axes: Axes, alive: list[_Edge], places: dict[int, _Place], theme: Theme) -> None:
    delays_ms = [1_000 * delay for _, _, delay, _ in alive]
    density = max(len(alive), 1) ** 0.5
    lines = LineCollection(
        _segments(alive, places),
        array=delays_ms,
        cmap=theme.scale,
        linewidths=min(1.3, 25 / density),
        alpha=min(0.8, max(0.25, 16 / density)),
        zorder=1,
    )
    lines.set_clim(0, max([*delays_ms, 1e-3]))
    axes.add_collection(lines)
    opaque = ScalarMappable(norm=lines.norm, cmap=theme.scale)
    bar = axes.figure.colorbar(opaque, ax=axes, shrink=0.55, aspect=28, pad=0.01)
    bar.set_label("delay of a link, ms", color=theme.ink, fontsize=9.5)
    bar.ax.tick_params(colors=theme.muted, labelsize=9, length=3)
    bar.outline.set_visible(False)


def _draw_faint(axes: Axes, links: list[_Edge], places: dict[int, _Place], theme: Theme) -> None:
    axes.add_collection(
        LineCollection(_segments(links, places), colors=theme.muted, linewidths=0.6, alpha=0.35, zorder=1)
    )


def _draw_faults(axes: Axes, failed: list[_Edge], mended: list[_Edge], places: dict[int, _Place], theme: Theme) -> None:
    """Draws links that were cut above all others, each with a ring around its centre so that short ones are visible too."""
    handles = []
    kinds: tuple[tuple[list[_Edge], Literal["dashed", "solid"], str], ...] = (
        (failed, "dashed", "down"),
        (mended, "solid", "cut, but open again"),
    )
    for links, dashes, words in kinds:
        if not links:
            continue
        segments = _segments(links, places)
        axes.add_collection(LineCollection(segments, colors=theme.bad, linewidths=2.6, linestyles=dashes, zorder=4))
        if len(links) <= _RINGED_LINKS:
            x, y = zip(*(((ax + bx) / 2, (ay + by) / 2) for (ax, ay), (bx, by) in segments), strict=True)
            axes.scatter(x, y, s=200, facecolors="none", edgecolors=theme.bad, linewidths=1.6, zorder=5)
        label = f"{words}: {_names(links)}"
        handles.append(Line2D([], [], color=theme.bad, linewidth=2.6, linestyle=dashes, label=label))
    axes.legend(handles=handles, loc="lower left", frameon=False, labelcolor=theme.ink, fontsize=9)


def _names(links: list[_Edge]) -> str:
    """Returns the links by their ends, or their number if they are many."""
    return ", ".join(f"{a}-{b}" for a, b, _, _ in links) if len(links) <= _NAMED_LINKS else f"{len(links):,} links"


def _draw_nodes(axes: Axes, mesh: MapRecord, places: dict[int, _Place], theme: Theme) -> None:
    """Draws nodes as discs whose area grows with their degree."""
    degrees = dict.fromkeys(places, 0)
    for a, b, _, _ in mesh.edges:
        degrees[a] += 1
        degrees[b] += 1
    unit = min(22.0, 1_600 / len(places) ** 0.9)
    axes.scatter(
        [x for x, _ in places.values()],
        [y for _, y in places.values()],
        s=[unit * max(degrees[node], 1) ** 0.8 for node in places],
        color=theme.main,
        edgecolors=theme.surface,
        linewidths=0.5,
        zorder=3,
    )
    if len(places) > _LABELLED_NODES:
        return
    for node, place in places.items():
        axes.annotate(
            str(node), place, (0, 6), textcoords="offset points", color=theme.muted, fontsize=7.5, ha="center"
        )
