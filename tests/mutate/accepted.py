"""The mutants that may survive: `accepted.toml` names each of them, with the reason."""

import tomllib
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")


def accepted(module: str) -> dict[str, str]:
    """Returns the reasons of a module's accepted mutants, by their names."""
    groups = tomllib.loads(FILE.read_text()).get(module, [])
    return {change: group["reason"] for group in groups for change in group["changes"]}
