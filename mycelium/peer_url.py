"""URLs of peers and listeners: `udp://host:port#publickey`, `wss://host:port/path?sni=name#publickey`.

The public key may be followed by the fingerprint of the peer's ML-DSA key, `#publickey.fingerprint`, which it must prove too.

A peer may be named without a scheme, `host:port#publickey`: it is reached over whatever passes.

No name is resolved here.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from msgspec import Struct

from mycelium.errors import ConfigError
from mycelium.identity import FINGERPRINT_BYTES, PUBLIC_KEY_BYTES
from mycelium.peer_address import objection
from mycelium.site import Site

SCHEMES: Final = ("udp", "quic", "tcp", "tls", "wss")
WHATEVER_PASSES: Final = ("udp", "tcp")  # for a peer without a scheme: where every node listens by default, best first
DEFAULT_PORT: Final = 9651
WSS_PORT: Final = 443  # where web servers, which pass WebSockets on, are
ANY_ADDRESSES: Final = ("::", "0.0.0.0")

_HOST_NAME_BYTES: Final = 253  # RFC 1035 2.3.4, minus the length octets at both ends
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# an interface's name, below IFNAMSIZ, or its index; %25 before a name is how web addresses write the '%' itself (RFC 6874)
_ZONE: Final = re.compile(r"[0-9]{1,10}|(?!25)[A-Za-z0-9_.@:-]{1,15}")
_AUTHORITY: Final = re.compile(r"[^/?]*")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PIN: Final = re.compile(rf"([0-9A-Fa-f]{{{2 * PUBLIC_KEY_BYTES}}})(?:\.([0-9A-Fa-f]{{{2 * FINGERPRINT_BYTES}}}))?")


class PeerUrl(Struct, frozen=True):
    """Where to dial or listen, in canonical form: equal URLs are one peer.

    `host` is a lower-case name, an IPv4 or an IPv6 address, the last with its `%interface` where it has one. `pin` is the
    X25519 public key that must answer there; None accepts any. `fingerprint` is that of the ML-DSA key
    that the holder of the pin must prove besides. `site` is the text of a `Site`, of tls:// and wss:// only.
    An empty `scheme` is that of a peer named without one.
    """

    scheme: str
    host: str
    port: int = DEFAULT_PORT
    pin: bytes | None = None
    site: str = ""
    fingerprint: bytes | None = None

    @classmethod
    def parse(cls, text: str) -> "PeerUrl":
        """Parses the URL of a peer to dial; raises ConfigError that says what is wrong with it."""
        url = _parse(text)
        if url.port == 0:
            raise _error(text, "port 0 can't be dialled")
        _refuse_address(text, url)
        return url

    @classmethod
    def parse_listen(cls, text: str) -> "PeerUrl":
        """Parses a URL to listen at: a numeric host, no pin; port 0 leaves the choice to the kernel."""
        url = _parse(text)
        if not url.scheme:
            raise _error(text, "the scheme is missing, as in udp://[::]:9651")
        if url.pin is not None:
            raise _error(text, "only the URL of a peer may have a public key after '#'")
        if url.scheme == "quic":
            raise _error(text, "a listener for udp:// takes quic:// as well")
        if url.scheme in ("tls", "wss"):
            raise _error(text, "a listener for tcp:// takes tls:// and wss:// as well")
        if not url.is_numeric:
            raise _error(text, "a listener needs an address such as [::] or 0.0.0.0, not a name")
        if url.host not in ANY_ADDRESSES:
            _refuse_address(text, url)
        return url

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes by which the peer may be dialled, the best first."""
        return (self.scheme,) if self.scheme else WHATEVER_PASSES

    @property
    def is_numeric(self) -> bool:
        """Tells whether `host` is an address rather than a name."""
        return ":" in self.host or self.host.rpartition(".")[2].isdigit()

    @property
    def address_and_zone(self) -> tuple[str, str]:
        """The parts of a numeric host: its address, and the interface behind '%' or nothing."""
        address, _, zone = self.host.partition("%")
        return address, zone

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        pin = "" if self.pin is None else f"#{pin_text(self.pin, self.fingerprint)}"
        separator = "://" if self.scheme else ""
        return f"{self.scheme}{separator}{host}:{self.port}{self.site}{pin}"


def _parse(text: str) -> PeerUrl:
    before, separator, behind = text.partition("://")
    scheme, rest = (before, behind) if separator else ("", text)
    if separator and scheme.lower() not in SCHEMES:
        raise _error(text, f"{scheme[:20]!r} is not one of the schemes {', '.join(SCHEMES)}")
    scheme = scheme.lower()
    address, separator, written_pin = rest.partition("#")
    pin, fingerprint = _pinned(text, written_pin) if separator else (None, None)
    authority = _AUTHORITY.match(address)[0]  # type: ignore[index]  # which matches the empty text too
    host, port = host_and_port(text, authority)
    if port is None:
        port = WSS_PORT if scheme == "wss" else DEFAULT_PORT
    site = _site(text, scheme, address[len(authority) :])
    return PeerUrl(scheme, host, port, pin, site, fingerprint)


def pin_text(key: bytes, fingerprint: bytes | None) -> str:
    """Returns what a URL has behind '#': a public key, and a fingerprint if there is one."""
    return key.hex() if fingerprint is None else f"{key.hex()}.{fingerprint.hex()}"


def read_pin(text: str) -> tuple[bytes, bytes | None] | None:
    """Returns the public key and the fingerprint, if there is one, that `pin_text` has written; None for another text."""
    parts = _PIN.fullmatch(text)
    if parts is None:
        return None
    return bytes.fromhex(parts[1]), None if parts[2] is None else bytes.fromhex(parts[2])


def _pinned(text: str, pin: str) -> tuple[bytes, bytes | None]:
    """Returns the key and the fingerprint, if there is one, of what is written behind '#'."""
    found = read_pin(pin)
    if found is None:
        raise _error(
            text,
            f"the public key after '#' must be {2 * PUBLIC_KEY_BYTES} hex digits, "
            f"with or without '.' and a fingerprint of {2 * FINGERPRINT_BYTES}",
        )
    return found


def _site(text: str, scheme: str, written: str) -> str:
    """Returns the canonical form of what follows the port."""
    if not written:
        return ""
    try:
        site = Site.parse(written)
    except ConfigError as error:
        raise _error(text, str(error)) from None
    if site.path and scheme != "wss":
        raise _error(text, "only wss:// can have a path")
    if str(site) and scheme not in ("tls", "wss"):
        raise _error(text, "only tls:// and wss:// can have '?' and more")
    return str(site)


def is_zone(text: str) -> bool:
    """Tells whether an interface can be written behind '%' in a URL by this name, or by this index."""
    return _ZONE.fullmatch(text) is not None


def _refuse_address(text: str, url: PeerUrl) -> None:
    if url.is_numeric:
        address, zone = url.address_and_zone
        reason = objection(address, zone=zone)
        if reason is not None:
            raise _error(text, reason)


def host_and_port(text: str, authority: str) -> tuple[str, int | None]:
    """Returns the host and the port, if any, of an authority such as host:port; raises ConfigError about `text`, its URL."""
    if authority.startswith("["):
        literal, bracket, tail = authority[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise _error(text, "an IPv6 address is written [address]:port")
        return _ipv6(text, literal), _port(text, tail[1:] if tail else None)
    host, colon, port = authority.partition(":")
    if ":" in port:
        raise _error(text, "an IPv6 address belongs in brackets, as in udp://[2001:db8::1]:9651")
    return _name_or_ipv4(text, host), _port(text, port if colon else None)


def _port(text: str, digits: str | None) -> int | None:
    if digits is None:
        return None
    if not _PORT.fullmatch(digits) or int(digits) > 0xFFFF:
        raise _error(text, "the host may only be followed by a port from 1 to 65535")
    return int(digits)


def _ipv6(text: str, literal: str) -> str:
    address, percent, zone = literal.partition("%")
    if percent and not is_zone(zone):
        if zone.startswith("25"):
            raise _error(text, f"write '%{zone[2:17]}': '%25' stands for '%' in the addresses of web pages only")
        raise _error(text, "'%' must be followed by the name of an interface")
    try:
        parsed = IPv6Address(address)
    except ValueError:
        raise _error(text, f"{address[:50]!r} is not an IPv6 address") from None
    if parsed.ipv4_mapped is not None and not percent:
        return str(parsed.ipv4_mapped)
    return f"{parsed}%{zone}" if percent else str(parsed)


def _name_or_ipv4(text: str, host: str) -> str:
    if not host:
        raise _error(text, "the host is missing")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise _error(text, f"{host[:50]!r} is not a valid host name") from None
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit():
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise _error(text, f"{host[:50]!r} is not an IPv4 address") from None
    if len(host) > _HOST_NAME_BYTES or not all(_LABEL.fullmatch(label) for label in labels):
        raise _error(text, f"{host[:50]!r} is not a valid host name")
    return host.lower()


def _error(text: str, reason: str) -> ConfigError:
    shown = text if len(text) <= 100 else f"{text[:100]}..."
    return ConfigError(f"{shown!r} is not a valid URL: {reason}")
