"""Settings of the Rust implementation that mean something here, by its names: each becomes what it is called here."""

from typing import Final

from mycelium.errors import ConfigError
from mycelium.peer_url import DEFAULT_PORT, PeerUrl

_PORTS: Final = {"quic_listen_port": "udp", "tcp_listen_port": "tcp"}  # QUIC shares the port of UDP
_NAMES: Final = {"disable_quic": "no_quic", "peer_discovery_interfaces": "peer_discovery_interface"}
_OF_NOBODY: Final = "update_workers"  # routes need no workers here


def without_aliases(values: dict[str, object]) -> dict[str, object]:
    """Returns settings under the names that they have here; raises ConfigError where one is given under both."""
    found = {_NAMES.get(key, key): value for key, value in values.items() if key not in _PORTS and key != _OF_NOBODY}
    for alias, name in _NAMES.items():
        if alias in values and name in values:
            raise ConfigError(f"{alias} is {name} of the Rust Mycelium: give one of them")
    ports = {alias: values[alias] for alias in _PORTS if alias in values}
    if ports and "listen" in values:
        raise ConfigError(f"{' and '.join(ports)}: listen says where this node listens, so leave it out")
    if ports:
        urls = [f"{scheme}://[::]:{ports.get(alias, DEFAULT_PORT)}" for alias, scheme in _PORTS.items()]
        found["listen"] = tuple(map(PeerUrl.parse_listen, urls))
    return found
