"""The address of the HTTP API: `host:port` on TCP, or `unix:/path`. Shared by server, client and settings."""

import ipaddress
import re
from typing import Final

from msgspec import Struct

from mycelium.errors import ConfigError

UNIX_PREFIX: Final = "unix:"
SERVER: Final = "mycelium/"  # how the Server header of every answer begins
_UNIX_PATH_BYTES: Final = 107  # size of sun_path in unix(7), less the terminating zero
_PORT: Final = re.compile(r"[0-9]{1,5}")


class ApiAddress(Struct, frozen=True):
    """A unix socket if `path` is not empty, else a TCP address; `host` is numeric, without brackets."""

    host: str = "127.0.0.1"
    port: int = 8989
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "ApiAddress":
        """Parses `host:port`, `[host]:port` or `unix:/path`; raises ConfigError with the reason."""
        if text.startswith(UNIX_PREFIX):
            return cls(host="", port=0, path=_socket_path(text))
        host, colon, port = text.rpartition(":")
        if not colon or not _PORT.fullmatch(port) or int(port) > 0xFFFF:
            raise _error(text, "write host:port, for example 127.0.0.1:8989, or unix:/path")
        if host == "localhost":
            return cls("127.0.0.1", int(port))
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        except ValueError:
            raise _error(text, f"{host[:50]!r} is not an IP address") from None
        if bracketed != (address.version == 6):
            raise _error(text, "write an IPv6 address in brackets, and no other")
        return cls(str(address), int(port))

    @property
    def is_unix(self) -> bool:
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """Tells whether only this host can reach it."""
        return self.is_unix or ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        if self.is_unix:
            return f"{UNIX_PREFIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _socket_path(text: str) -> str:
    path = text.removeprefix(UNIX_PREFIX)
    if not path.startswith("/") or "\0" in path:
        raise _error(text, "the path of a socket must be absolute")
    if len(path.encode(errors="surrogatepass")) > _UNIX_PATH_BYTES:
        raise _error(text, f"the path of a socket has at most {_UNIX_PATH_BYTES} bytes")
    return path


def _error(text: str, reason: str) -> ConfigError:
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return ConfigError(f"{shown!r} is not a valid API address: {reason}")
