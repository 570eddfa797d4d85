"""Sweeps: every combination of some settings, for every seed, with each result stored at once.

    --set topology="ba:m=2;grid" --set nodes=100,200 --seeds 0..9      2 x 2 settings, 10 seeds, 40 runs

A setting is a field of `RunSpec` or one of its parameters. A `Pool` executes the runs.
"""

import itertools
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, Protocol

import msgspec

from mycelium.errors import ConfigError

from ..play.run import RunSpec
from .store import ResultStore

Runner = Callable[[RunSpec], Iterable[dict[str, Any]]]
MAX_RUNS: Final = 100_000

_TEXTS: Final = ("topology", "scenario", "fidelity")
_FIELDS: Final = (*_TEXTS, "nodes")


class Result(msgspec.Struct, frozen=True):
    """The outcome of a run: its summary, or the error that ended it."""

    spec: RunSpec
    summary: dict[str, Any] | None = None
    error: str | None = None


class Pool(Protocol):
    """Something that executes runs."""

    def results(self, runner: Runner, specs: Sequence[RunSpec]) -> Generator[Result, None, None]:
        """Yields one result per spec in the order of completion. Closing the iterator ends the other runs."""


def carry_out(spec: RunSpec, runner: Runner) -> Result:
    """Runs a spec and returns its summary, or the error if it raises an exception."""
    summary: dict[str, Any] | None = None
    try:
        for record in runner(spec):
            if record.get("type") == "summary":
                summary = {key: value for key, value in record.items() if key != "type"}
    except ConfigError as error:
        return Result(spec, error=str(error))
    except Exception as error:
        return Result(spec, error=f"{type(error).__name__}: {error}")
    return Result(spec, summary=summary, error=None if summary else "the run gave no summary")


def sweep(
    specs: Sequence[RunSpec],
    pool: Pool,
    store: ResultStore,
    *,
    runner: Runner,
    on_result: Callable[[Result], None] = lambda _: None,
) -> None:
    """Executes the runs without a summary in the store, and stores and yields each result."""
    done = store.done()
    missing = [spec for spec in specs if run_key(spec) not in done]
    with closing(pool.results(runner, missing)) as results:
        for result in results:
            store.append(run_key(result.spec), msgspec.to_builtins(result))
            on_result(result)


def run_key(spec: RunSpec) -> str:
    """Returns the key of a run: its spec as JSON with sorted keys."""
    return msgspec.json.encode(spec, order="sorted").decode()


def parse_settings(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Parses texts like `key=value,value,...`, where keys can be repeated; raises ConfigError.

    Topologies, scenarios and fidelities are separated by `;`, for a topology may contain commas.
    """
    settings: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not key or not equals:
            raise ConfigError(f"{text!r} is not of the form key=value,value,...")
        if key == "seed":
            raise ConfigError("seeds are set with --seeds")
        separator = ";" if key in _TEXTS else ","
        parts = [part.strip() for part in values.split(separator)]
        if not all(parts):
            raise ConfigError(f"{text!r} has an empty value")
        settings.setdefault(key, []).extend(parts if key in _TEXTS else map(_parse_value, parts))
    for key, values_of_key in settings.items():
        if key == "nodes" and not all(isinstance(value, int) for value in values_of_key):
            raise ConfigError(f"nodes: not all of {', '.join(map(str, values_of_key))} are integers")
        settings[key] = list(dict.fromkeys(values_of_key))
    return settings


def _parse_value(text: str) -> Any:
    """Returns the number or truth value in a text, or else the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_seeds(text: str) -> list[int]:
    """Parses `3`, `0..9` (both included) or `1,5,0..3`; raises ConfigError."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dots, last = part.partition("..")
        try:
            low = int(first)
            high = int(last) if dots else low
        except ValueError:
            raise ConfigError(f"seeds {text!r}: {part!r} is neither a number nor a range such as 0..9") from None
        if not 0 <= high - low < MAX_RUNS:
            raise ConfigError(f"seeds {text!r}: {part!r} is not a range of 1 to {MAX_RUNS} seeds")
        seeds += range(low, high + 1)
    return list(dict.fromkeys(seeds))


def make_specs(base: RunSpec, settings: Mapping[str, Sequence[Any]], seeds: Sequence[int]) -> list[RunSpec]:
    """Returns a spec for each combination of settings and each seed, ordered by seed.

    Raises ConfigError if there are too many.
    """
    combinations = [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]
    if len(combinations) * len(seeds) > MAX_RUNS:
        raise ConfigError(f"{len(combinations) * len(seeds)} runs are too many for a sweep; the limit is {MAX_RUNS}")
    return [_apply(base, chosen, seed) for seed in seeds for chosen in combinations]


def _apply(base: RunSpec, chosen: Mapping[str, Any], seed: int) -> RunSpec:
    fields = {key: value for key, value in chosen.items() if key in _FIELDS}
    parameters = {key: value for key, value in chosen.items() if key not in _FIELDS}
    return msgspec.structs.replace(base, seed=seed, parameters={**base.parameters, **parameters}, **fields)
