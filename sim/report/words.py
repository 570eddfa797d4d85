"""Figures, parameters and records in words: each with its unit, and nothing where there is no value."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..quantiles import Quantiles

FIGURES: Final = {  # of `sim.play.figures`
    "outage_max_s": "longest outage of a flow while there was a path",
    "outage_median_s": "median outage of a flow while there was a path",
    "gap_max_s": "longest time without a packet, of all flows",
    "gap_median_s": "longest time without a packet, of the median flow",
    "ping_loss": "packets lost",
    "false_dead": "links given up though they worked",
    "detours": "ends of links on the slower of two lanes at the end",
    "hop_limit": "trains dropped at their hop limit",
    "ways_relayed": "pairs behind NATs without a link at the end",
    "way_max_s": "longest search of a pair behind NATs for a link",
    "packets_lost": "packets lost by pairs behind NATs",
    "pairs_silent": "honest pairs that do not hear each other at the end",
    "route_changes": "next hops selected",
    "route_changes_per_minute": "most next hops of one node to one destination in a minute",
}
_LONG: Final = ("reproduce", "last_events")  # fields of a violation that only the file has
_BRIEF_S: Final = 0.02  # a shorter time span has three digits
_SHOWN_ITEMS: Final = 8
_SHOWN_CHARACTERS: Final = 200


def typed(value: object) -> str:
    """Returns a parameter as it is typed on the command line; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def seconds(value: float | None) -> str | None:
    """Returns a time span in ms or s."""
    if value is None or not math.isfinite(value):
        return None
    if value < _BRIEF_S:
        return f"{value * 1_000:.3g} ms"
    return f"{value * 1_000:,.0f} ms" if value < 1 else f"{value:,.2f} s"


def spread(found: Quantiles | None) -> str | None:
    """Returns the median, the 99th percentile and the largest of some time spans, or what all of them are."""
    if found is None or not all(map(math.isfinite, (found.median, found.p99, found.max))):
        return None
    shown = [seconds(value) for value in (found.median, found.p99, found.max)]
    if len(set(shown)) == 1:
        return shown[0]
    return f"median {shown[0]}, p99 {shown[1]}, max {shown[2]}"


def count(value: float | None) -> str | None:
    """Returns a number of things."""
    return None if value is None or not math.isfinite(value) else f"{value:,.10g}"


def kilobytes(value: float | None) -> str | None:
    """Returns a number of bytes in kB."""
    return None if value is None or not math.isfinite(value) else f"{value / 1_000:,.1f} kB"


def rate(value: float | None) -> str | None:
    """Returns bytes per second."""
    return None if value is None or not math.isfinite(value) else f"{value:,.1f} B/s"


def share(value: float | None) -> str | None:
    """Returns a share in percent."""
    return None if value is None or not math.isfinite(value) else f"{value:.1%}"


def figure(name: str, value: float | None) -> str | None:
    """Returns the value of a figure of `sim.play.figures` with its unit."""
    if name.endswith("_s"):
        return seconds(value)
    return share(value) if name.endswith("loss") else count(value)


def describe(details: Mapping[str, object]) -> str:
    """Returns a short text with the fields of an action or a violation; those without a value are left out."""
    if "promise" in details:
        return _promise(details)
    parts = [_field(name, value) for name, value in details.items() if name not in _LONG]
    text = ", ".join(part for part in parts if part)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _promise(details: Mapping[str, object]) -> str:
    name = str(details["promise"])
    bound, found = (figure(name, _number(details.get(key))) for key in ("bound", "found"))
    measured = "was not measured" if found is None else f"was {found}"
    rest = describe({key: value for key, value in details.items() if key not in ("promise", "bound", "found")})
    text = f"{FIGURES.get(name, name)}: {measured}, promised at most {bound or 'nothing'}"
    return f"{text} ({rest})" if rest else text


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


_UNITS: Final[tuple[tuple[str, Callable[[float], str | None], str], ...]] = (  # suffix of a name, its unit
    ("bytes_per_node_per_s", rate, " per node"),
    ("bytes_per_node", kilobytes, " per node"),
    ("bytes_per_s", rate, ""),
    ("_s", seconds, ""),
)
_SHARES: Final = ("share", "loss")


def _field(name: str, value: object) -> str:
    words = name.removeprefix("is_").replace("_", " ")
    if value is None or value is False or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if value is True:
        return words
    if isinstance(value, int | float):
        return _quantity(name, words, value)
    return f"{words} {_brief(name, value)}"


def _quantity(name: str, words: str, value: float) -> str:
    if name.endswith(_SHARES):
        return f"{words} {share(value)}"
    for suffix, unit, per in _UNITS:
        if name.endswith(suffix):
            label = words.removesuffix(suffix.replace("_", " ")).strip()
            return f"{label} {unit(value)}{per}".strip()
    return f"{value:.4g} s" if name == "s" else f"{words} {typed(round(value, 4))}"


def _brief(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return describe(value)
    if not isinstance(value, list | tuple):
        return typed(value)
    if len(value) == 2 and name in ("link", "flow"):
        return (" to " if name == "flow" else "-").join(map(typed, value))
    return _listed([_item(one) for one in value])


def _item(value: Any) -> str:
    """Returns a node, a link, or a link with the time before it."""
    if not isinstance(value, list | tuple):
        return typed(value)
    if len(value) == 3 and isinstance(value[0], float):
        return f"{_item(value[1:])} at {seconds(value[0]) or 'some time'}"
    return "-".join(map(typed, value))


def _listed(items: Iterable[str]) -> str:
    shown = list(items)
    return ", ".join(shown[:_SHOWN_ITEMS]) + (", …" if len(shown) > _SHOWN_ITEMS else "")
