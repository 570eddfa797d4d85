"""What a user may give for a parameter: a value of the same kind as its default, and a number in its range."""

from enum import StrEnum
from math import isfinite
from typing import Any, Final

import msgspec
from msgspec import Struct

from mycelium.errors import ConfigError

_POSITIVE: Final = ("bump_s", "digest_s", "scope", "sweep_s")  # what is done again and again, and room that is needed
_SHARES: Final = ("duplicate", "loss", "reorder")  # a link that loses all, or sends all twice, never comes to an end


def check_values(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Raises ConfigError for the first of the values given that can't take the place of its default."""
    for name, default in defaults.items():
        if name in given and (reason := _misfit(name, given[name], default)):
            raise ConfigError(f"{name}={given[name]!s:.70} is not possible: {reason}")


def defaults_of(*kinds: type[Struct]) -> dict[str, Any]:
    """Returns the defaults of those fields of Structs that have any."""
    fields = [one for kind in kinds for one in msgspec.structs.fields(kind)]
    return {one.name: one.default for one in fields if one.default is not msgspec.NODEFAULT}


def _misfit(name: str, value: Any, default: Any) -> str:
    if isinstance(default, StrEnum):
        allowed = [str(one) for one in type(default)]
        return "" if value in allowed else f"it is one of {', '.join(allowed)}"
    if isinstance(default, int | float) and not isinstance(default, bool):
        return _number_misfit(name, value, default)
    if default is None or type(value) is type(default):
        return ""
    return {bool: "it is true or false", str: "it is a text"}.get(type(default), "it can't be given here")


def _number_misfit(name: str, value: Any, default: float) -> str:
    is_count = isinstance(default, int) and not f"_{name}".endswith(
        "_s"
    )  # of seconds a scenario may name a whole number
    if isinstance(value, bool) or not isinstance(value, int if is_count else int | float):
        return "it is a whole number" if is_count else "it is a number"
    if not isfinite(value):
        return "it is a finite number"
    if name in _POSITIVE and value <= 0:
        return "it is more than 0"
    if name in _SHARES and not 0 <= value < 1:
        return "it is at least 0, and less than 1"
    return "it is at least 0" if value < 0 <= default else ""
