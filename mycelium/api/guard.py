"""Access control of the HTTP API. Pure.

A unix socket is protected by the mode of its file. On loopback any local program may call, but no web page: a form sends
`Origin`, and DNS rebinding shows in `Host`. With a token, every call on TCP needs the token and nothing else; without one,
only loopback is served, unless the operator has opened an address to other hosts.
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
    """The answer to a call that is not allowed."""

    status: int
    reason: str


class Guard:
    """Judges each call by its headers."""

    __slots__ = ("_is_free", "_token")

    def __init__(self, address: ApiAddress, token: str | None, *, is_open: bool = False) -> None:
        if token is None and not address.is_loopback and not is_open:
            raise ConfigError(f"--api-addr {address}: other hosts can reach this address, so it needs --api-token-file")
        self._is_free = address.is_unix or (is_open and not address.is_loopback)
        self._token = token

    def refusal(
        self, method: str, *, host: str | None, origin: str | None, authorization: str | None
    ) -> Refusal | None:
        """Returns None for an allowed call; the arguments are the headers of these names, None for absent ones."""
        if self._is_free:
            return None
        if self._token is not None:
            return None if self._is_token(authorization) else Refusal(401, "this call needs the API token")
        if host is not None and not _is_loopback(host):
            return Refusal(403, "the Host header must name the loopback of this host")
        if origin is not None and method not in _SAFE_METHODS:
            return Refusal(403, "web pages are not allowed to make this call")
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
