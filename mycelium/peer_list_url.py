"""URLs of lists of peers, which stand among peers: `dns://mesh.example`, `https://mesh.example/peers`, `file:/etc/peers`.

What a list holds is read elsewhere; one URL of a peer on each line, or records of the DNS.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from mycelium.errors import ConfigError
from mycelium.limits import PEERS_PER_LIST
from mycelium.peer_url import PeerUrl

LIST_SCHEMES: Final = ("dns", "https", "file")

_SCHEME: Final = re.compile(r"([A-Za-z]+):")
_NAME: Final = re.compile(r"(?=.{1,230}$)(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.?")
_LOGIN: Final = re.compile(r"(?<=//)[^/?#]*@")
_PRINTABLE: Final = re.compile(r"[!-~]{1,1000}")


class PeerListUrl(Struct, frozen=True):
    """Where a list of peers is: `place` is a DNS name, a whole https URL or the path of a file."""

    scheme: str
    place: str

    @classmethod
    def parse(cls, text: str) -> "PeerListUrl":
        """Parses the URL of a list; raises ConfigError that says what is wrong with it."""
        scheme, _, rest = text.partition(":")
        scheme = scheme.lower()
        if scheme == "dns":
            name = rest.removeprefix("//")
            if not rest.startswith("//") or not _NAME.fullmatch(name):
                raise _error(text, "dns:// takes the name of a domain alone, as in dns://mesh.example")
            return cls(scheme, name.lower().removesuffix("."))
        if scheme == "https":
            if not _PRINTABLE.fullmatch(text) or not _has_host(text) or "#" in text:
                raise _error(text, "it needs a host, and can't have spaces or '#'")
            return cls(scheme, f"https:{rest}")
        if not rest.startswith("/") or rest.startswith("//") or "\0" in rest:
            raise _error(text, "write the whole path of the file, as in file:/etc/mycelium/peers")
        return cls(scheme, rest)

    @property
    def shown_place(self) -> str:
        """The place as logs, API and commands show it: with `***` for user and password."""
        return _without_login(self.place) if self.scheme == "https" else self.place

    def __str__(self) -> str:
        if self.scheme == "https":
            return self.shown_place
        return f"{self.scheme}:{'//' if self.scheme == 'dns' else ''}{self.place}"


def is_list(text: str) -> bool:
    """Tells whether a text is meant as the URL of a list rather than of a peer."""
    scheme = _SCHEME.match(text)
    is_named = scheme is not None and scheme[1].lower() in LIST_SCHEMES
    return is_named and not re.fullmatch(r"[A-Za-z]+:[0-9]{1,5}(#.*)?", text)  # the host `dns` at a port


def parse_lines(lines: Iterable[str]) -> list[PeerUrl]:
    """Returns the peers of a list, one on each line, without comments; raises ConfigError that names a bad line."""
    found: dict[PeerUrl, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if is_list(text):
            raise ConfigError(f"line {number}: a list of peers can't name another list")
        try:
            found[PeerUrl.parse(text)] = None
        except ConfigError as error:
            raise ConfigError(f"line {number}: {error}") from None
        if len(found) > PEERS_PER_LIST:
            raise ConfigError(f"it has more than {PEERS_PER_LIST} peers")
    if not found:
        raise ConfigError("it names no peer")
    return list(found)


def _has_host(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _without_login(text: str) -> str:
    return _LOGIN.sub("***@", text, count=1)


def _error(text: str, reason: str) -> ConfigError:
    text = _without_login(text)
    shown = text if len(text) <= 100 else f"{text[:100]}..."
    return ConfigError(f"{shown!r} is not the URL of a peer list: {reason}")
