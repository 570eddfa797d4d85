"""The operator's settings: the command line overrides the configuration file, and that overrides the defaults.

The keys of the TOML file are the names of the flags, with `-` or `_`; with `_` they are those of the `Settings` fields. Nothing
below the daemon reads these objects; the daemon hands plain arguments on.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct, field

from mycelium.admin.aliases import without_aliases
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.foreign import foreign_key
from mycelium.admin.keyfile import default_key_path
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.admin.service_unit import CONFIG_FILE as SYSTEM_CONFIG_FILE
from mycelium.admin.zones import with_zone_name
from mycelium.errors import ConfigError
from mycelium.limits import AUTO_PEERS, CONFIGURED_PEERS, DISCOVERY_INTERFACES
from mycelium.node.names import is_name
from mycelium.node.zone import DEFAULT_DOMAIN, is_domain
from mycelium.peer_list_url import PeerListUrl, is_list
from mycelium.peer_url import PeerUrl

LOG_FORMATS: Final = ("compact", "logfmt", "plain", "json", "journald")
CONFIG_FILE: Final = "config_file"

# what dev_valid_name() in Linux accepts
_INTERFACE_NAME: Final = re.compile(r"(?!\.{1,2}$)[^\s/%:\x00-\x1f\x7f-\U0010ffff]{1,15}")
_NETWORK_NAME_BYTES: Final = range(2, 65)
_Url = TypeVar("_Url")
_DIGITS: Final = re.compile(r"[0-9]{1,5}")
_MARK: Final = re.compile(r"0|[1-9][0-9]{0,9}|0[xX][0-9A-Fa-f]{1,8}")
_HIGHEST_MARK: Final = 0xFFFF_FFFF
_NAME_ALONE: Final = (
    ": a name alone keeps no one out: add --network-key-file (network_key_file) with a file that all its nodes share; "
    "'mycelium generate-network-key FILE' makes one"
)


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of a daemon, checked; `given` is the argument of `load`, to load them again on SIGHUP."""

    key_file: Path
    name: str = ""  # what other nodes of a private network call this one
    peers: tuple[PeerUrl | PeerListUrl, ...] = ()  # and lists of them
    listen: tuple[PeerUrl, ...] = ()  # none named: UDP and TCP at the default port, on all addresses
    proxy: ProxyUrl | None = None  # that connections to tcp://, tls:// and wss:// peers go through
    tls_certificate: Path | None = None  # both or none; without, one is made
    tls_key: Path | None = None
    firewall_mark: int = 0  # of the sockets that talk to peers; 0: none
    tun_name: str = "mycelium"
    no_tun: bool = False
    no_quic: bool = False
    no_dscp: bool = False
    no_shortcuts: bool = False
    no_relay_leases: bool = False
    no_port_mapping: bool = False
    auto_peers: int = 0  # links that are kept besides those of the peer list
    disable_peer_discovery: bool = False
    peer_discovery_interface: tuple[str, ...] = ()  # empty: every suitable one
    peer_discovery_port: int = 9650
    api_addr: ApiAddress = ApiAddress()
    api_token_file: Path | None = None
    metrics_api_address: ApiAddress | None = None  # where the metrics are besides the API
    jsonrpc_addr: ApiAddress | None = None  # of the JSON-RPC of the Rust implementation
    network_name: str = ""
    network_key_file: Path | None = None
    domain: str = DEFAULT_DOMAIN  # of the names of nodes
    hosts_file: Path | None = None  # that is kept up with the names of nodes
    debug: bool = False
    silent: bool = False
    log_format: str = LOG_FORMATS[0]
    given: Mapping[str, object] = field(default_factory=dict)


def load(given: Mapping[str, object]) -> Settings:
    """Merges the command line with the configuration file.

    `given` maps field names to what was typed: strings, lists of strings, booleans. A file named by its `config_file` must
    exist; the default one need not. Raises ConfigError that names the file or flag, and the key.
    """
    path = _config_file(given)
    values = {} if path is None else _from_file(path)
    values |= without_aliases(
        {
            key: _checked(f"--{key.replace('_', '-')}", key, value, folder=Path.cwd())
            for key, value in given.items()
            if key != CONFIG_FILE
        }
    )
    if "key_file" not in values:
        values["key_file"] = default_key_path()
    if "network_name" in values and "network_key_file" not in values:
        raise ConfigError(("--network-name" if "network_name" in given else f"{path}: network_name") + _NAME_ALONE)
    if ("tls_certificate" in values) is not ("tls_key" in values):
        raise ConfigError("--tls-certificate and --tls-key (tls_certificate, tls_key) belong together: give both files")
    _refuse_shared_addresses({"api_addr": ApiAddress(), **values})
    return Settings(given=dict(given), **values)  # type: ignore[arg-type]  # _CHECKS gives each field its type


def _refuse_shared_addresses(values: Mapping[str, object]) -> None:
    """Raises ConfigError where two servers are to have one address."""
    held: dict[object, str] = {}
    for name in ("api_addr", "metrics_api_address", "jsonrpc_addr"):
        address = values.get(name)
        if address is not None and (other := held.setdefault(address, name)) != name:
            raise ConfigError(f"{name} (--{name.replace('_', '-')}): {address} is that of {other}: choose another one")


def default_config_file() -> Path | None:
    """Returns where the configuration file is, unless one is named; None for a user without a home directory."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():  # the XDG specification ignores relative paths
        try:
            folder = Path.home() / ".config"
        except RuntimeError:
            return None
    return folder / "mycelium" / "mycelium.toml"


def _config_file(given: Mapping[str, object]) -> Path | None:
    if CONFIG_FILE in given:
        return _path(given[CONFIG_FILE], Path.cwd())
    defaults = (default_config_file(), SYSTEM_CONFIG_FILE)  # that of the user, that of the service
    return next((path for path in defaults if path is not None and os.path.exists(path)), None)


def _from_file(path: Path) -> dict[str, object]:
    """Returns the values of a TOML file by field; raises ConfigError that names the line of a mistake."""
    import tomllib  # here, because most runs have no file

    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    values: dict[str, object] = {}
    for key, value in table.items():
        field_name = key.replace("-", "_")
        if value is False and foreign_key(key):
            continue  # it turns off what is not here
        try:
            if field_name in values:
                raise ConfigError(f"{key}: set twice, as {key.replace('_', '-')} and {field_name}")
            values[field_name] = _checked(key[:50], field_name, value, folder=path.parent)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}{_line_of(key, text)}") from None
    try:
        return without_aliases(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _line_of(key: str, text: str) -> str:
    """Returns where a file sets a key, as tomllib says it; nothing where that can't be told."""
    place = re.search(rf"""^[ \t]*\[*[ \t]*["']?{re.escape(key)}["']?[ \t]*[].=]""", text, re.MULTILINE)
    return "" if place is None else f" (at line {text.count(chr(10), 0, place.start()) + 1})"


def _checked(shown: str, key: str, value: object, *, folder: Path) -> object:
    """Returns one value in its field's type; relative paths start at `folder`."""
    check = _CHECKS.get(key)
    if check is None:
        near = difflib.get_close_matches(key, _CHECKS, n=1)
        advice = foreign_key(key) or ("unknown setting" + (f"; did you mean {near[0]}?" if near else ""))
        raise ConfigError(f"{shown}: {advice}")
    try:
        return check(value, folder)
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}") from None


def _text(value: object, folder: Path) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"must be a string in quotes, not {_kind(value)}")
    return value


def _flag(value: object, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"must be true or false, not {_kind(value)}")
    return value


def _path(value: object, folder: Path) -> Path:
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


def _domain(value: object, folder: Path) -> str:
    domain = _text(value, folder).lower().strip(".")
    if not is_domain(domain):
        raise ConfigError(f"{domain[:70]!r} is not a domain, such as myc or mesh.example.org")
    return domain


def _log_format(value: object, folder: Path) -> str:
    name = _text(value, folder)
    if name not in LOG_FORMATS:
        raise ConfigError(f"{name[:50]!r} is not one of {', '.join(LOG_FORMATS)}")
    return name


def _api_address(value: object, folder: Path) -> ApiAddress:
    return ApiAddress.parse(_text(value, folder))


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def _peer(text: str) -> PeerUrl | PeerListUrl:
    """Takes an interface that is not there yet, as at boot."""
    return PeerListUrl.parse(text) if is_list(text) else with_zone_name(PeerUrl.parse(text))


_CHECKS: Final[Mapping[str, Callable[[object, Path], object]]] = {
    "peers": _urls(_peer),
    "name": _node_name,
    "listen": _urls(PeerUrl.parse_listen),
    "key_file": _path,
    "proxy": _proxy,
    "tls_certificate": _path,
    "tls_key": _path,
    "firewall_mark": _mark,
    "tun_name": _interface,
    "no_tun": _flag,
    "no_quic": _flag,
    "no_dscp": _flag,
    "no_shortcuts": _flag,
    "no_relay_leases": _flag,
    "no_port_mapping": _flag,
    "auto_peers": _auto_peers,
    "disable_peer_discovery": _flag,
    "peer_discovery_interface": _interfaces,
    "peer_discovery_port": _port,
    "api_addr": _api_address,
    "api_token_file": _path,
    "metrics_api_address": _api_address,
    "jsonrpc_addr": _api_address,
    "network_name": _network_name,
    "network_key_file": _path,
    "domain": _domain,
    "hosts_file": _path,
    "debug": _flag,
    "silent": _flag,
    "log_format": _log_format,
    # of the Rust implementation: see `aliases`
    "tcp_listen_port": _port,
    "quic_listen_port": _port,
    "disable_quic": _flag,
    "update_workers": _workers,
    "peer_discovery_interfaces": _interfaces,
}
