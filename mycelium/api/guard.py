"""Who may call the HTTP API. Pure.

A unix socket is guarded by its file's mode. On loopback any local program may call, but a web page may not, neither by a
form (it sends `Origin`) nor by pointing a name of its own at 127.0.0.1 (it sends that name as `Host`). Where a token is set
it is asked of every call on TCP, and nothing else is; without one only loopback is served.
"""

import hmac
import ipaddress
from typing import Final

from msgspec import Struct

from mycelium.admin.api_address import ApiAddress
from mycelium.errors import ConfigError

_SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_SCHEME: Final = "Bearer "


class Refusal(Struct, frozen=True):
    """The answer to a call that may not be made."""

    status: int
    reason: str


class Guard:
    """Decides call by call, from the headers alone."""

    __slots__ = ("_is_unix", "_token")

    def __init__(self, address: ApiAddress, token: str | None) -> None:
        if token is None and not address.is_loopback:
            raise ConfigError(f"--api-addr {address}: others can reach it, so it needs --api-token-file")
        self._is_unix = address.is_unix
        self._token = token

    def refusal(
        self, method: str, *, host: str | None, origin: str | None, authorization: str | None
    ) -> Refusal | None:
        """Returns None for a call that may be made; the strings are the headers of these names, None where absent."""
        if self._is_unix:
            return None
        if self._token is not None:
            return None if self._is_token(authorization) else Refusal(401, "this call needs the API token")
        if host is not None and not _is_loopback(host):
            return Refusal(403, "the Host header does not name this machine's loopback")
        if origin is not None and method not in _SAFE_METHODS:
            return Refusal(403, "web pages may not make this call")
        return None

    def _is_token(self, authorization: str | None) -> bool:
        if self._token is None or authorization is None or not authorization.startswith(_SCHEME):
            return False
        given = authorization.removeprefix(_SCHEME).encode(errors="surrogateescape")
        return hmac.compare_digest(given, self._token.encode())


def _is_loopback(host_header: str) -> bool:
    host = host_header.rpartition(":")[0] if host_header.rpartition(":")[2].isdigit() else host_header
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
