"""The proxy that connections to peers go through, as in `http://user:password@host:port` or `socks5://host:port`."""

from typing import Final
from urllib.parse import unquote

from msgspec import Struct

from mycelium.errors import ConfigError
from mycelium.peer_url import host_and_port

SCHEMES: Final = ("http", "socks5")
_LOGIN_BYTES: Final = 255  # of user and of password each, RFC 1929 section 2


class ProxyUrl(Struct, frozen=True):
    """A proxy; `login` is user and password, None where it needs none."""

    scheme: str
    host: str
    port: int
    login: tuple[str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> "ProxyUrl":
        """Parses the URL of a proxy; raises ConfigError, which does not repeat a password."""
        scheme, separator, rest = text.partition("://")
        login, at, address = rest.rpartition("@")
        shown = f"{scheme[:20]}{separator}{'***@' if at else ''}{address[:100]}"
        if scheme.lower() not in SCHEMES or not separator:
            raise _error(shown, f"it begins with {' or '.join(f'{one}://' for one in SCHEMES)}")
        host, port = host_and_port(shown, address.removesuffix("/"))
        if not port:
            raise _error(shown, "the port is missing")
        return cls(scheme.lower(), host, port, _login(shown, login) if at else None)

    def without_password(self) -> str:
        """Returns the URL with `***` in place of user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{'***@' if self.login else ''}{host}:{self.port}"


def _login(shown: str, text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    login = unquote(user), unquote(password)
    if not colon or any(not 0 < len(one.encode()) <= _LOGIN_BYTES for one in login):
        raise _error(shown, "before '@' stand a user and a password, as in user:password@host:port")
    if ":" in login[0] or not all(one.isprintable() for one in login):
        raise _error(shown, "the user has a ':', or the password a letter that can't be sent")
    return login


def _error(shown: str, reason: str) -> ConfigError:
    return ConfigError(f"{shown!r} is not a valid proxy: {reason}")
