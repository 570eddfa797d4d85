"""Writes configuration files, in TOML."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def config_text(values: Mapping[str, str | Path | Sequence[str]], *, comment: str) -> str:
    """Returns the text of a file that sets these keys; a key without a value is left out."""
    lines = [f"# {comment}", "# 'mycelium run --help' lists all settings, whose keys are the flags' names.", ""]
    for key, value in values.items():
        if isinstance(value, str | Path):
            if str(value):
                lines.append(f"{key} = {_string(str(value))}")
        elif value:
            lines += [f"{key} = [", *(f"    {_string(one)}," for one in value), "]"]
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """Returns a basic string: JSON's, but that TOML wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
