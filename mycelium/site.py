"""What the URL of a peer behind TLS says beside its address: `/path?sni=name&alpn=protocol`."""

import re
from typing import Final

from msgspec import Struct

from mycelium.errors import ConfigError

_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]{0,200}")  # RFC 3986 section 3.3
_NAME: Final = re.compile(r"(?=.{1,253}$)(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_PROTOCOL: Final = re.compile(r"[A-Za-z0-9._/-]{1,32}")


class Site(Struct, frozen=True):
    """Which of the services behind one address a peer is; what is empty is left to the host's name and to custom."""

    path: str = ""  # of the WebSocket; empty for /
    server_name: str = ""  # that TLS asks for (SNI, RFC 6066 section 3), and HTTP
    protocol: str = ""  # that TLS asks for (ALPN, RFC 7301)

    @classmethod
    def parse(cls, text: str) -> "Site":
        """Parses what follows the port; raises ConfigError that says what is wrong with it."""
        path, mark, query = text.partition("?")
        if path and not _PATH.fullmatch(path):
            raise ConfigError(f"{path[:50]!r} is not a valid path")
        fields: dict[str, str] = {}
        for field in query.split("&") if mark else ():
            key, _, value = field.partition("=")
            pattern = {"sni": _NAME, "alpn": _PROTOCOL}.get(key)
            if pattern is None:
                raise ConfigError(f"after '?' only sni=NAME and alpn=PROTOCOL are known, not {field[:50]!r}")
            if key in fields or not pattern.fullmatch(value):
                raise ConfigError(f"{field[:50]!r} is not one valid {key}")
            fields[key] = value
        return cls("" if path == "/" else path, fields.get("sni", "").lower(), fields.get("alpn", ""))

    def __str__(self) -> str:
        query = [f"{key}={value}" for key, value in (("sni", self.server_name), ("alpn", self.protocol)) if value]
        return self.path + ("?" + "&".join(query) if query else "")
