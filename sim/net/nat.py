"""A NAT as RFC 4787 describes it: the mapping of outgoing datagrams and the filtering of incoming ones."""

from typing import Final, Literal

from msgspec import Struct

from mycelium.endpoint import Endpoint

Behaviour = Literal["endpoint-independent", "address-dependent", "address-and-port-dependent"]

FIRST_PORT: Final = 40_000
PORTS: Final = 20_000


class NatModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The behaviour of a NAT. The defaults are those of most home routers."""

    mapping: Behaviour = "endpoint-independent"
    filtering: Behaviour = "address-and-port-dependent"
    expiry_s: float = 30.0  # lifetime of a mapping after the last outgoing datagram


KINDS: Final[dict[str, NatModel | None]] = {  # the classic kinds (RFC 3489); None: no NAT
    "public": None,
    "full cone": NatModel(filtering="endpoint-independent"),
    "address-restricted": NatModel(filtering="address-dependent"),
    "port-restricted": NatModel(),
    "symmetric": NatModel(mapping="address-and-port-dependent"),
}


class _Mapping:
    __slots__ = ("key", "port", "refreshed_at", "sent_to")

    def __init__(self, key: tuple[str, int], port: int, *, now: float) -> None:
        self.key = key
        self.port = port
        self.refreshed_at = now
        self.sent_to: dict[tuple[str, int], None] = {}


class Nat:
    """A NAT with one external address and one node behind it."""

    def __init__(self, model: NatModel) -> None:
        self.model = model
        self._by_key: dict[tuple[str, int], _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}
        self._next = 0

    def send(self, destination: Endpoint, *, now: float) -> int:
        """Returns the external port from which a datagram to `destination` is sent."""
        key = _part(self.model.mapping, destination)
        mapping = self._by_key.get(key)
        if mapping is None or self._has_expired(mapping, now=now):
            mapping = self._map(key, now=now)
        mapping.refreshed_at = now
        mapping.sent_to[_part(self.model.filtering, destination)] = None
        return mapping.port

    def admits(self, port: int, source: Endpoint, *, now: float) -> bool:
        """Tells whether a datagram from `source` to this external port is let in."""
        mapping = self._by_port.get(port)
        if mapping is None or self._has_expired(mapping, now=now):
            return False
        return _part(self.model.filtering, source) in mapping.sent_to

    def forget(self) -> None:
        """Forgets all mappings, as in a restart; later ones have other ports."""
        self._by_key.clear()
        self._by_port.clear()

    def _map(self, key: tuple[str, int], *, now: float) -> _Mapping:
        stale = self._by_key.pop(key, None)
        if stale is not None:
            del self._by_port[stale.port]
        port = self._free_port(now=now)
        held = self._by_port.get(port)
        if held is not None:
            del self._by_key[held.key]
        mapping = self._by_key[key] = self._by_port[port] = _Mapping(key, port, now=now)
        return mapping

    def _free_port(self, *, now: float) -> int:
        """Returns the next port without a live mapping, or just the next one if there is none."""
        for _ in range(PORTS + 1):  # in the end the first one again
            port = FIRST_PORT + self._next % PORTS
            self._next += 1
            held = self._by_port.get(port)
            if held is None or self._has_expired(held, now=now):
                break
        return port

    def _has_expired(self, mapping: _Mapping, *, now: float) -> bool:
        return now - mapping.refreshed_at > self.model.expiry_s


def _part(behaviour: Behaviour, remote: Endpoint) -> tuple[str, int]:
    """Returns the part of a remote endpoint that a behaviour depends on."""
    if behaviour == "endpoint-independent":
        return "", 0
    return (remote.host, remote.port) if behaviour == "address-and-port-dependent" else (remote.host, 0)
