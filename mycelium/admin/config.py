"""The operator's settings: the command line overrides the environment, that the configuration file, and that the defaults.

`setting.py` names them, `checks.py` says what their values must be. The keys of the TOML file are the names of the flags, with
`-` or `_`; with `_` they are those of the `Settings` fields. Nothing below the daemon reads these objects; the daemon hands
plain arguments on.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from mycelium.admin.aliases import without_aliases
from mycelium.admin.api_address import ApiAddress
from mycelium.admin.checks import CHECKS, LOG_FORMATS, MEMBERS, file_path
from mycelium.admin.foreign import foreign_key
from mycelium.admin.keyfile import default_key_path
from mycelium.admin.proxy_url import ProxyUrl
from mycelium.admin.service_unit import CONFIG_FILE as SYSTEM_CONFIG_FILE
from mycelium.admin.setting import BY_NAME, LISTS, SETTINGS, Kind, Setting, flag, variable
from mycelium.errors import ConfigError
from mycelium.limits import CONFIG_FILE_BYTES, ROUTES
from mycelium.node.zone import DEFAULT_DOMAIN
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.policy.settings import PolicySettings
from mycelium.routing.parameters import Standing

CONFIG_FILE: Final = "config_file"

_ALMOST: Final = 0.7  # how much alike two names are, as difflib reckons: config and config_file are 0.71
_TRUTHS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_NAME_ALONE: Final = (
    ": a name alone keeps no one out: add --network-key-file (network_key_file) with a file that all its nodes share; "
    "'mycelium generate-network-key FILE' makes one"
)

_NAMELESS: Final = "and only nodes of a private network have names: use the address or key of that node"


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
    no_speed_tests: bool = False
    no_port_mapping: bool = False
    share_links: str = MEMBERS  # with whom
    routes: int = ROUTES  # nodes that are kept as the nearest
    landmark: Standing = Standing.AUTO
    no_transit: bool = False
    auto_peers: int = 0  # links that are kept besides those of the peer list
    disable_peer_discovery: bool = False
    peer_discovery_interface: tuple[str, ...] = ()  # empty: every suitable one
    peer_discovery_port: int = 9650
    api_addr: ApiAddress = ApiAddress()
    api_socket: Path | None = None  # where it is besides
    api_token_file: Path | None = None
    metrics_api_address: ApiAddress | None = None  # where the metrics are besides the API
    jsonrpc_addr: ApiAddress | None = None  # of the JSON-RPC of the Rust implementation
    policy: PolicySettings = PolicySettings()
    network_name: str = ""
    network_key_file: Path | None = None
    domain: str = DEFAULT_DOMAIN  # of the names of nodes
    hosts_file: Path | None = None  # that is kept up with the names of nodes
    user: str = ""  # that the process becomes; empty: the service's, where the key is that user's
    debug: bool = False
    silent: bool = False
    log_format: str = LOG_FORMATS[0]
    given: Mapping[str, object] = field(default_factory=dict)


def load(given: Mapping[str, object]) -> Settings:
    """Merges the command line, the environment and the configuration file; raises ConfigError.

    `given` maps field names to what was typed: strings, lists of strings, booleans. A file named by its `config_file` must
    exist; the default one need not.
    """
    return read(given, os.environ)[0]


def read(given: Mapping[str, object], environment: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Does what `load` does; returns also what set each setting that was set: a flag, a variable, or the path of a file.

    Raises ConfigError that names it, and the key.
    """
    path = config_file(given, environment)
    values = {} if path is None else _from_file(path)
    sources = dict.fromkeys(values, str(path))
    variables = {one.name: _typed(one, text) for one in SETTINGS if (text := environment.get(one.variable))}
    for layer, shown in ((variables, variable), (given, flag)):
        checked = without_aliases(
            {
                key: _checked(shown(key), key, value, folder=Path.cwd())
                for key, value in layer.items()
                if key != CONFIG_FILE
            }
        )
        values |= checked
        sources |= {key: shown(key) for key in checked}
    _check_together(values, sources)
    if "key_file" not in values:
        values["key_file"] = default_key_path()
    settings = Settings(given=dict(given), **values)  # type: ignore[arg-type]  # the checks give each field its type
    return settings, sources


def refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Raises ConfigError for a variable that is almost that of a setting, and that a start passes over."""
    known = {one.variable: one.name for one in SETTINGS} | {variable(CONFIG_FILE): CONFIG_FILE}
    for name in sorted(environment):
        own = name.removeprefix(variable("")).lower()
        near = difflib.get_close_matches(own, known.values(), n=1, cutoff=_ALMOST)
        if name.startswith(variable("")) and name not in known and near:
            raise ConfigError(f"{name}: no setting has this variable; did you mean {variable(near[0])}?")


def _check_together(values: Mapping[str, object], sources: Mapping[str, str]) -> None:
    """Raises ConfigError for values that are right alone, but not together."""
    if "network_name" in values and "network_key_file" not in values:
        source = sources["network_name"]
        is_file = source[:2] != "--" and source != variable("network_name")
        raise ConfigError((f"{source}: network_name" if is_file else source) + _NAME_ALONE)
    policy = values.get("policy")
    if isinstance(policy, PolicySettings) and policy.names() and "network_key_file" not in values:
        raise ConfigError(f"{sources['policy']}: policy: {policy.names()[0]!r} is a name, {_NAMELESS}")
    if ("tls_certificate" in values) is not ("tls_key" in values):
        raise ConfigError("--tls-certificate and --tls-key (tls_certificate, tls_key) belong together: give both files")
    _refuse_shared_addresses({"api_addr": ApiAddress(), **values})


def _refuse_shared_addresses(values: Mapping[str, object]) -> None:
    """Raises ConfigError where two servers are to have one address."""
    held: dict[object, str] = {}
    for name in ("api_addr", "api_socket", "metrics_api_address", "jsonrpc_addr"):
        address = values.get(name)
        if isinstance(address, Path):
            address = ApiAddress("", 0, str(address))
        if address is not None and (other := held.setdefault(address, name)) != name:
            raise ConfigError(f"{name} ({flag(name)}): {address} is that of {other}: choose another one")


def _typed(setting: Setting, text: str) -> object:
    """Returns the value of an environment variable as a file would have it: lists are separated by spaces."""
    if setting.kind in LISTS:
        return text.split()
    return _TRUTHS.get(text.lower(), text) if setting.kind is Kind.FLAG else text


def default_config_file() -> Path | None:
    """Returns where the configuration file is, unless one is named; None for a user without a home directory."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if not folder.is_absolute():  # the XDG specification ignores relative paths
        try:
            folder = Path.home() / ".config"
        except RuntimeError:
            return None
    return folder / "mycelium" / "mycelium.toml"


def config_file(given: Mapping[str, object], environment: Mapping[str, str]) -> Path | None:
    """Returns the file that is read: the one named, else that of the user or of the service; None if there is none."""
    named = given.get(CONFIG_FILE) or environment.get(variable(CONFIG_FILE))
    if named:
        return file_path(named, Path.cwd())
    defaults = (default_config_file(), SYSTEM_CONFIG_FILE)  # that of the user, that of the service
    return next((path for path in defaults if path is not None and os.path.exists(path)), None)


def _from_file(path: Path) -> dict[str, object]:
    """Returns the values of a TOML file by field; raises ConfigError that names the line of a mistake."""
    import tomllib  # here, because most runs have no file

    try:
        text = _text_of(path)
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: its brackets are nested too deeply") from None
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
            place = _line_with(error.excerpt, text) or _line_of(key, text)
            raise ConfigError(f"{path}: {error}{place}") from None
    try:
        return without_aliases(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _text_of(path: Path) -> str:
    """Returns the text of a file, or of a pipe, with the line ends that TOML knows; raises ConfigError, OSError."""
    with path.open("rb") as file:
        data = file.read(CONFIG_FILE_BYTES + 1)
    if len(data) > CONFIG_FILE_BYTES:
        raise ConfigError(f"{path}: longer than {CONFIG_FILE_BYTES >> 10} KiB: this is no configuration file")
    try:
        text = data.decode("utf-8-sig")  # some editors put a byte order mark before the text
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8: save the file as text of this encoding") from None
    return text.replace("\r\n", "\n")


def _line_of(key: str, text: str) -> str:
    """Returns where a file sets a key, as tomllib says it; nothing where that can't be told."""
    place = re.search(rf"""^[ \t]*\[*[ \t]*["']?{re.escape(key)}["']?[ \t]*[].=]""", text, re.MULTILINE)
    return "" if place is None else _at_line(place.start(), text)


def _line_with(excerpt: str, text: str) -> str:
    """Returns where a file has an excerpt; nothing where it has none, or several."""
    return _at_line(text.index(excerpt), text) if excerpt and text.count(excerpt) == 1 else ""


def _at_line(position: int, text: str) -> str:
    return f" (at line {text.count(chr(10), 0, position) + 1})"


def _checked(shown: str, key: str, value: object, *, folder: Path) -> object:
    """Returns one value in its field's type; relative paths start at `folder`."""
    setting = BY_NAME.get(key)
    if setting is None:
        near = difflib.get_close_matches(key, BY_NAME, n=1)
        advice = foreign_key(key) or ("unknown setting" + (f"; did you mean {near[0]}?" if near else ""))
        raise ConfigError(f"{shown}: {advice}")
    try:
        return CHECKS[setting.kind](value, folder)
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}", excerpt=error.excerpt) from None
