"""The themes of plots."""

import pytest
from matplotlib.colors import to_rgb

from sim.report.theme import DARK, LIGHT, Theme, dress, new_figure, title


def luminance(colour: str) -> float:
    """Returns the relative luminance of WCAG 2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_curves_contrast_with_the_surface(theme: Theme) -> None:
    assert contrast(theme.ink, theme.surface) > 7
    assert contrast(theme.muted, theme.surface) > 4.5
    assert all(contrast(colour, theme.surface) > 2 for colour in (theme.main, theme.second, theme.bad))


def test_axes_have_the_colours_of_the_theme_and_no_frame() -> None:
    figure = new_figure(DARK, height=5.0)
    axes = figure.subplots()
    dress(axes, DARK)
    title(axes, "Words", "n = 3", DARK)
    assert figure.get_size_inches()[1] == 5.0
    assert {side for side, spine in axes.spines.items() if spine.get_visible()} == {"left", "bottom"}
    assert axes.get_title(loc="left").strip() == "Words"
    assert [text.get_text() for text in axes.texts] == ["n = 3"]
    assert to_rgb(figure.get_facecolor()) == to_rgb(DARK.surface)
