"""What a user may give for a parameter: a value of the same kind as its default, and a number in its range."""

from enum import StrEnum
from math import isfinite
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from mycelium.errors import ConfigError

_POSITIVE: Final = ("bump_s", "digest_s", "scope", "sweep_s")  # what is done again and again, and room that is needed
_SHARES: Final = ("duplicate", "loss", "reorder")  # a link that loses all, or sends all twice, never comes to an end

_Settings = TypeVar("_Settings", bound=Struct)


def check_values(given: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Raises ConfigError for the first of the values given that can't take the place of its default."""
    for name, default in defaults.items():
        if name in given and (reason := _misfit(name, given[name], default)):
            raise ConfigError(f"{name}={given[name]!s:.70} is not possible: {reason}")


def defaults_of(kind: type[Struct]) -> dict[str, Any]:
    """Returns the defaults of settings, by field; those of settings within them are given one by one too."""
    found: dict[str, Any] = {}
    for one in msgspec.structs.fields(kind):
        if isinstance(one.default, Struct):
            found |= msgspec.structs.asdict(one.default)
        elif one.default is not msgspec.NODEFAULT:
            found[one.name] = one.default
    return found


def with_values(default: _Settings, values: dict[str, Any]) -> _Settings:
    """Returns settings with those values that are theirs, or of settings within them."""
    changes: dict[str, Any] = {}
    for name, own in msgspec.structs.asdict(default).items():
        if isinstance(own, Struct):
            changes[name] = with_values(own, values)
        elif name in values:
            changes[name] = values[name]
    return msgspec.structs.replace(default, **changes)


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
    # of seconds a scenario may name a whole number
    is_count = isinstance(default, int) and not f"_{name}".endswith("_s")
    if isinstance(value, bool) or not isinstance(value, int if is_count else int | float):
        return "it is a whole number" if is_count else "it is a number"
    if not isfinite(value):
        return "it is a finite number"
    if name in _POSITIVE and value <= 0:
        return "it is more than 0"
    if name in _SHARES and not 0 <= value < 1:
        return "it is at least 0, and less than 1"
    return "it is at least 0" if value < 0 <= default else ""
