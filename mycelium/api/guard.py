"""Access control of the HTTP API. Pure.

A unix socket is protected by the mode of its file. On loopback any local program may call, but no web page except the
daemon's own: others show by `Origin`, by `Sec-Fetch-Site` where a browser sends no `Origin`, and after DNS rebinding by `Host`.
With a token, every call on TCP needs the token and nothing else; without one, only loopback is served, unless the operator has
opened an address to other hosts. The files of the page hold nothing to protect, and a browser can't be given the token before
it has them: they need none.
"""

import hmac
import ipaddress
from collections.abc import Mapping
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
    headers: tuple[tuple[str, str], ...] = ()


_NEEDS_TOKEN: Final = Refusal(
    401,
    "this call needs the API token (--api-token-file)",
    (("WWW-Authenticate", "Bearer"),),  # RFC 9110, section 15.5.2
)


class Guard:
    """Judges each call by its headers."""

    __slots__ = ("_is_free", "_token", "is_private")

    def __init__(
        self, address: ApiAddress, token: str | None, *, is_open: bool = False, flag: str = "--api-addr"
    ) -> None:
        if token is None and not address.is_loopback and not is_open:
            raise ConfigError(f"{flag} {address}: other hosts can reach this address, so it needs --api-token-file")
        self._is_free = address.is_unix or (is_open and not address.is_loopback)
        self._token = token
        self.is_private = address.is_unix or token is not None  # else any program of this host may call

    def refusal(self, method: str, headers: Mapping[str, str], *, is_public: bool = False) -> Refusal | None:
        """Returns None for an allowed call; names of headers are in lower case. What `is_public` needs no token."""
        if self._is_free:
            return None
        if self._token is not None:
            is_allowed = is_public or self._is_token(headers.get("authorization"))
            return None if is_allowed else _NEEDS_TOKEN
        host = headers.get("host")
        if host is not None and not _is_loopback(host):
            return Refusal(403, "the Host header must name the loopback of this host")
        if _is_of_a_foreign_page(headers) or (method not in _SAFE_METHODS and "origin" in headers):
            return Refusal(403, "web pages are not allowed to make this call")
        return None

    def _is_token(self, authorization: str | None) -> bool:
        if self._token is None or authorization is None or not authorization.startswith(_SCHEME):
            return False
        given = authorization.removeprefix(_SCHEME).encode(errors="surrogateescape")
        return hmac.compare_digest(given, self._token.encode())


def _is_of_a_foreign_page(headers: Mapping[str, str]) -> bool:
    """Tells whether a page of another origin makes a call; a link there that leads here is none."""
    origin = headers.get("origin")
    if origin is not None:
        return origin != f"http://{headers.get('host')}"
    is_foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return is_foreign and headers.get("sec-fetch-mode") != "navigate"


def _is_loopback(host_header: str) -> bool:
    host = host_header.rpartition(":")[0] if host_header.rpartition(":")[2].isdigit() else host_header
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
