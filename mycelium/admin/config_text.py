"""Settings as text, in TOML: files that are written, the example of all settings, and the settings in effect."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from mycelium.admin.config import Settings
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.admin.setting import SETTINGS
from mycelium.policy.settings import PolicySettings

DEFAULT: Final = "default"  # the source of what nobody has set
_WIDTH: Final = 100
_HEAD: Final = """\
# All settings, as comments: with their defaults, or with an example where the default is nothing. Remove '# ' to set one.
# Each is also a flag, as in --tun-name, and an environment variable, as in MYCELIUM_TUN_NAME (lists: separated by spaces).
# The command line counts before the environment, and that before this file. 'mycelium config check FILE' finds mistakes;
# a running daemon reads its file again on SIGHUP ('systemctl reload mycelium') and says what takes a restart.
"""


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


def example_text() -> str:
    """Returns a file that explains all settings and sets none."""
    parts = [_HEAD]
    for setting in SETTINGS:
        lines = textwrap.wrap(setting.help, _WIDTH)
        parts.append("".join(f"# {line}\n" for line in (*lines, f"{setting.name} = {setting.example}")))
    return "\n".join(parts)


def in_effect(settings: Settings, sources: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yields each setting with its value in TOML, without passwords, empty where there is none, and with what set it."""
    for setting in SETTINGS:
        yield setting.name, _value(getattr(settings, setting.name)), sources.get(setting.name, DEFAULT)


def _value(value: object) -> str:
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, PolicySettings):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_string(str(one)) for one in value)}]"
    return _string(value.without_password() if isinstance(value, ProxyUrl) else str(value))
