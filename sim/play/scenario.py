"""Scenarios: what happens to a mesh, step by step. A scenario is built in, or a TOML or Python file.

    about = "One line for `mycelium-sim list`."
    fidelity = "node"       # the only one that it can run in, if it needs one

    [parameters]            # with their defaults; set by --scenario NAME:flows=50
    flows = 200

    [[steps]]               # in order
    do = "watch"            # an action of `sim.play.actions`, and its arguments
    flows = "$flows"        # a parameter's value

    [expect]                # its promises: upper bounds on figures of `sim.play.figures`
    outage_max_s = 0.5

A Python file defines `ABOUT`, `PARAMETERS`, `steps(parameters) -> list[dict]` and optionally `FIDELITY` and `EXPECT` instead.
"""

import runpy
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from mycelium.errors import ConfigError

from .. import PACKAGE
from . import figures
from .values import check_values

_SUFFIX: Final = ".toml"


class Step(Struct, frozen=True):
    """One action and its arguments."""

    do: str
    arguments: dict[str, Any]


class Scenario(Struct, frozen=True):
    """A scenario with values for its parameters."""

    name: str
    about: str
    parameters: dict[str, Any]
    steps: list[Step]
    fidelity: str | None = None  # the only one that it can run in
    promises: dict[str, float] = {}  # figure -> its upper bound


class _Source(Struct):
    about: str
    parameters: dict[str, Any]
    fidelity: str | None
    expect: dict[str, Any]
    steps: Callable[[dict[str, Any]], list[dict[str, Any]]]


class _File(Struct, forbid_unknown_fields=True):
    about: str
    steps: list[dict[str, Any]]
    parameters: dict[str, Any] = {}
    fidelity: str | None = None
    expect: dict[str, float | str] = {}


def names() -> list[str]:
    """Returns the names of the built-in scenarios."""
    folder = resources.files(PACKAGE) / "scenarios"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX))


def load(text: str, given: dict[str, Any]) -> Scenario:
    """Returns the scenario that a text like `NAME:key=value,...` or `FILE:key=value,...` names; raises ConfigError.

    `given` has values for its parameters, and can have others.
    """
    name, _, settings = text.partition(":")
    own = parse_settings(settings)
    source, label = _read(name)
    unknown = [key for key in own if key not in source.parameters]
    if unknown:
        known = ", ".join(source.parameters) or "none"
        raise ConfigError(f"{unknown[0]!r} is not a parameter of scenario {label}; its parameters are {known}")
    check_values({**given, **own}, source.parameters)
    parameters = {key: {**given, **own}.get(key, default) for key, default in source.parameters.items()}
    steps = [_step(label, step, parameters) for step in source.steps(parameters)]
    promises = {name: _promise(label, name, bound, parameters) for name, bound in source.expect.items()}
    return Scenario(label, source.about, parameters, steps, source.fidelity, promises)


def parse_settings(text: str) -> dict[str, Any]:
    """Parses `key=value,...`, where values are numbers, true, false or text; raises ConfigError."""
    settings: dict[str, Any] = {}
    for entry in filter(None, text.split(",")):
        key, equals, value = entry.partition("=")
        if not equals or not key:
            raise ConfigError(f"{entry!r} is not key=value")
        settings[key] = _value(value)
    return settings


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def _step(label: str, step: dict[str, Any], parameters: dict[str, Any]) -> Step:
    arguments = {key: _filled(label, value, parameters) for key, value in step.items() if key != "do"}
    if not isinstance(step.get("do"), str):
        raise ConfigError(f'a step of scenario {label} has no action "do": {step}')
    return Step(step["do"], arguments)


def _promise(label: str, name: str, bound: Any, parameters: dict[str, Any]) -> float:
    if name not in figures.NAMES:
        raise ConfigError(f"scenario {label}: {name!r} is not a figure; the figures are {', '.join(figures.NAMES)}")
    value = _filled(label, bound, parameters)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"scenario {label}: the bound on {name} is not a number: {value!r}")
    return value


def _filled(label: str, value: Any, parameters: dict[str, Any]) -> Any:
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    if value[1:] not in parameters:
        raise ConfigError(f"scenario {label} uses {value}, which is not one of its parameters")
    return parameters[value[1:]]


def _read(name: str) -> tuple[_Source, str]:
    path = Path(name)
    if path.suffix == ".py":
        return _read_python(path), path.stem
    if path.suffix == _SUFFIX or path.parent != Path():
        return _decode(str(path), _text(path)), path.stem
    if name not in names():
        raise ConfigError(f"{name!r} is not a scenario: use a file or one of {', '.join(names())}")
    entry = resources.files(PACKAGE) / "scenarios" / f"{name}{_SUFFIX}"
    return _decode(name, entry.read_text(encoding="utf-8")), name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"scenario {path}: {error}") from error


def _decode(label: str, text: str) -> _Source:
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"scenario {label}: {error}") from error
    return _Source(file.about, file.parameters, file.fidelity, file.expect, lambda parameters: file.steps)


def _read_python(path: Path) -> _Source:
    _text(path)
    try:
        members = runpy.run_path(str(path))
        optional = members.get("FIDELITY"), members.get("EXPECT", {})
        return _Source(members["ABOUT"], dict(members["PARAMETERS"]), *optional, members["steps"])
    except (KeyError, SyntaxError) as error:
        raise ConfigError(f"scenario {path} must define ABOUT, PARAMETERS and steps(parameters): {error!r}") from error
