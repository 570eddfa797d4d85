"""What the values of settings must be: each kind has its check, which returns the value in its field's type."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from mycelium.admin.api_address import ApiAddress
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.admin.setting import WORDS, Kind
from mycelium.admin.zones import with_zone_name
from mycelium.errors import ConfigError
from mycelium.limits import AUTO_PEERS, CONFIGURED_PEERS, DESTINATIONS, DISCOVERY_INTERFACES, LEAST_ROUTES
from mycelium.node.names import is_name
from mycelium.node.zone import is_domain
from mycelium.peer_list_url import PeerListUrl, is_list
from mycelium.peer_url import PeerUrl
from mycelium.policy.settings import PolicySettings, parse_policy
from mycelium.routing.parameters import Standing

# Nodes that are told something: those of a private network, any, none.
MEMBERS, ALL, NOBODY = WORDS[Kind.SHARED_WITH]
LOG_FORMATS: Final = WORDS[Kind.LOG_FORMAT]

# what dev_valid_name() in Linux accepts
_INTERFACE_NAME: Final = re.compile(r"(?!\.{1,2}$)[^\s/%:\x00-\x1f\x7f-\U0010ffff]{1,15}")
_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")  # useradd(8)
_NETWORK_NAME_BYTES: Final = range(2, 65)
_Url = TypeVar("_Url")
_DIGITS: Final = re.compile(r"[0-9]{1,5}")
_MARK: Final = re.compile(r"0|[1-9][0-9]{0,9}|0[xX][0-9A-Fa-f]{1,8}")
_HIGHEST_MARK: Final = 0xFFFF_FFFF


def _text(value: object, folder: Path) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"must be a string in quotes, not {_kind(value)}")
    return value


def _flag(value: object, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"must be true or false, not {_kind(value)}")
    return value


def file_path(value: object, folder: Path) -> Path:
    """Returns a path; a relative one starts at `folder`. Raises ConfigError."""
    text = os.fspath(value) if isinstance(value, Path) else _text(value, folder)
    if not text or "\0" in text:
        raise ConfigError("must be a file path")
    try:
        return folder / Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{text[:100]!r}: {error}") from None


def _urls(parse: Callable[[str], _Url]) -> Callable[[object, Path], tuple[_Url, ...]]:
    def check(value: object, folder: Path) -> tuple[_Url, ...]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple):
            raise ConfigError(f"must be a list of URLs, not {_kind(value)}")
        if len(texts) > CONFIGURED_PEERS:
            raise ConfigError(f"must be at most {CONFIGURED_PEERS} URLs")
        return tuple(dict.fromkeys(parse(_text(text, folder)) for text in texts))

    return check


def _interface(value: object, folder: Path) -> str:
    name = _text(value, folder)
    if not _INTERFACE_NAME.fullmatch(name):
        raise ConfigError(f"{name[:50]!r} is not a valid interface name (1 to 15 characters, without spaces, / and :)")
    return name


def _interfaces(value: object, folder: Path) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ConfigError(f"must be a list of interfaces, not {_kind(value)}")
    if len(names) > DISCOVERY_INTERFACES:
        raise ConfigError(f"must be at most {DISCOVERY_INTERFACES} interfaces")
    return tuple(dict.fromkeys(_interface(name, folder) for name in names))


def _number(value: object, numbers: range) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value not in numbers:
        raise ConfigError(f"must be a number from {numbers.start} to {numbers.stop - 1}")
    return value


def _port(value: object, folder: Path) -> int:
    return _number(value, range(1, 1 << 16))


def _workers(value: object, folder: Path) -> int:
    return _number(value, range(1, 255))


def _auto_peers(value: object, folder: Path) -> int:
    return _number(value, range(AUTO_PEERS + 1))


def _routes(value: object, folder: Path) -> int:
    return _number(value, range(LEAST_ROUTES, DESTINATIONS + 1))


def _proxy(value: object, folder: Path) -> ProxyUrl:
    return ProxyUrl.parse(_text(value, folder))


def _mark(value: object, folder: Path) -> int:
    if isinstance(value, str) and _MARK.fullmatch(value):
        value = int(value, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST_MARK:
        raise ConfigError("must be a number from 0 (no mark) to 4294967295, such as 51820 or 0xca6c")
    return value


def _network_name(value: object, folder: Path) -> str:
    name = _text(value, folder)
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise ConfigError("must be UTF-8") from None
    if size not in _NETWORK_NAME_BYTES:
        raise ConfigError(f"must be {_NETWORK_NAME_BYTES.start} to {_NETWORK_NAME_BYTES.stop - 1} bytes long")
    return name


def node_name(text: str) -> str:
    """Returns the name of a node in lower case; raises ConfigError unless it can be a label of the DNS."""
    name = text.lower()
    if not is_name(name):
        raise ConfigError(f"{text[:70]!r} is not a valid name: 1 to 63 letters, digits and '-', which is not at an end")
    return name


def _node_name(value: object, folder: Path) -> str:
    return node_name(_text(value, folder))


def _user(value: object, folder: Path) -> str:
    user = _text(value, folder)
    if not _USER.fullmatch(user):
        raise ConfigError(f"{user[:50]!r} is not the name of a user")
    return user


def _domain(value: object, folder: Path) -> str:
    domain = _text(value, folder).lower().strip(".")
    if not is_domain(domain):
        raise ConfigError(f"{domain[:70]!r} is not a domain, such as myc or mesh.example.org")
    return domain


def _one_of(words: Sequence[str]) -> Callable[[object, Path], str]:
    def check(value: object, folder: Path) -> str:
        word = _text(value, folder)
        if word not in words:
            raise ConfigError(f"{word[:50]!r} is not one of {', '.join(words)}")
        return word

    return check


def _standing(value: object, folder: Path) -> Standing:
    return Standing(_one_of(tuple(Standing))(value, folder))


def _api_address(value: object, folder: Path) -> ApiAddress:
    return ApiAddress.parse(_text(value, folder))


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def _peer(text: str) -> PeerUrl | PeerListUrl:
    """Returns the URL of a peer or of a list of peers. The interface of a link-local one may come later."""
    return PeerListUrl.parse(text) if is_list(text) else with_zone_name(PeerUrl.parse(text))


def _policy(value: object, folder: Path) -> PolicySettings:
    policy = parse_policy(value)
    for name in policy.names():
        node_name(name)
    return policy


CHECKS: Final[Mapping[Kind, Callable[[object, Path], object]]] = {
    Kind.FLAG: _flag,
    Kind.FILE: file_path,
    Kind.PEERS: _urls(_peer),
    Kind.LISTENERS: _urls(PeerUrl.parse_listen),
    Kind.PROXY: _proxy,
    Kind.MARK: _mark,
    Kind.INTERFACE: _interface,
    Kind.INTERFACES: _interfaces,
    Kind.AUTO_PEERS: _auto_peers,
    Kind.PORT: _port,
    Kind.NETWORK_NAME: _network_name,
    Kind.NODE_NAME: _node_name,
    Kind.USER: _user,
    Kind.ADDRESS: _api_address,
    Kind.DOMAIN: _domain,
    Kind.LOG_FORMAT: _one_of(LOG_FORMATS),
    Kind.SHARED_WITH: _one_of((MEMBERS, ALL, NOBODY)),
    Kind.WORKERS: _workers,
    Kind.ROUTES: _routes,
    Kind.STANDING: _standing,
    Kind.POLICY: _policy,
}
