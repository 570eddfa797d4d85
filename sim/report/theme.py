"""The look of plots: colours for light and dark pages, sizes, and the style of axes.

The three data colours are distinguishable for colour-blind readers too (after Okabe and Ito). They always mean the main curve,
its companion, and what has failed or was cut.
"""

from typing import Final

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DPI: Final = 192
_WIDTH: Final = 4.6  # inches; on a telephone, 390 pixels wide, letters of 9 points are still 9 pixels high
_HEIGHT: Final = 3.1


class Theme(msgspec.Struct, frozen=True):
    """The colours of a plot."""

    name: str
    surface: str
    ink: str
    muted: str
    lines: str
    main: str
    second: str
    bad: str
    scale: str  # matplotlib's name of the colour map for delays


LIGHT: Final = Theme(
    name="light",
    surface="#ffffff",
    ink="#1d2430",
    muted="#6b7482",
    lines="#e4e8ee",
    main="#0072b2",
    second="#e69f00",
    bad="#d4351c",
    scale="viridis_r",
)
DARK: Final = Theme(
    name="dark",
    surface="#141a17",
    ink="#e6e9ee",
    muted="#98a2b0",
    lines="#2b323d",
    main="#56b4e9",
    second="#f0b53d",
    bad="#ff6b57",
    scale="viridis",
)


def new_figure(theme: Theme, *, height: float = _HEIGHT) -> Figure:
    """Returns an empty figure of the usual width, `height` inches high."""
    return Figure(figsize=(_WIDTH, height), dpi=DPI, facecolor=theme.surface, layout="constrained")


def dress(axes: Axes, theme: Theme) -> None:
    """Gives axes the colours of the theme, a faint grid behind the data, and no frame."""
    axes.set_facecolor(theme.surface)
    axes.set_axisbelow(True)
    axes.grid(True, color=theme.lines, linewidth=0.8)
    axes.tick_params(colors=theme.muted, labelsize=9, length=3)
    axes.tick_params(which="minor", colors=theme.muted, labelsize=9, length=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.muted)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.ink)
        label.set_fontsize(9.5)


def title(axes: Axes, words: str, details: str, theme: Theme) -> None:
    """Writes a title at the left and details below it in a smaller font."""
    axes.set_title(f"{words}\n", loc="left", color=theme.ink, fontsize=12, fontweight="bold")
    axes.annotate(
        details,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 7),
        textcoords="offset points",
        color=theme.muted,
        fontsize=9,
        annotation_clip=False,
    )
