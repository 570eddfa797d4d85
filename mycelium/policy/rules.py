"""Rules, as an operator writes them: who may do what.

    allow tcp 22,8000-8099 from berlin, @admins
    deny from 4ab:1234::/32

The first rule that fits decides. Nodes are named by address, key or prefix, in a private network by name too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from msgspec import Struct

from mycelium.errors import ConfigError
from mycelium.identity import OVERLAY_PREFIX, PUBLIC_KEY_BYTES, SUBNET_BYTES, address_of_exchange_key, subnet_of
from mycelium.limits import POLICY_RULES
from mycelium.packet.ipv6 import ICMPV6, TCP, UDP

PROTOCOLS: Final = {"tcp": TCP, "udp": UDP, "icmp": ICMPV6}
HIGHEST_PORT: Final = 0xFFFF

_ACTIONS: Final = {"allow": True, "deny": False}
_ANY: Final = "any"
_FROM: Final = "from"
_GROUP: Final = "@"
_KEY: Final = re.compile(rf"[0-9a-fA-F]{{{2 * PUBLIC_KEY_BYTES}}}")
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_SHOWN: Final = 100  # characters of what is wrong: enough to find it
_OVERLAY: Final = IPv6Network(OVERLAY_PREFIX)
_SUBNET_BITS: Final = 8 * SUBNET_BYTES


class Nodes(Struct, frozen=True, kw_only=True):
    """Some nodes; all of them where nothing is named."""

    subnets: frozenset[bytes] = frozenset()  # the /64 of each
    prefixes: tuple[tuple[int, int], ...] = ()  # bits that are left out of a /64, and the rest of it
    names: frozenset[str] = frozenset()

    @property
    def is_everyone(self) -> bool:
        """Tells whether nothing is named."""
        return not (self.subnets or self.prefixes or self.names)

    def include(self, node: bytes, names: Mapping[str, bytes]) -> bool:
        """Tells whether a node is one of these; `names` has the node of each name."""
        if self.is_everyone or subnet_of(node) in self.subnets:
            return True
        number = int.from_bytes(subnet_of(node), "big")
        return any(number >> bits == rest for bits, rest in self.prefixes) or any(
            names.get(name) == node for name in self.names
        )


class PolicyRule(Struct, frozen=True, kw_only=True):
    """One rule."""

    text: str  # as it was written
    allows: bool
    nodes: Nodes
    protocol: int | None = None  # None: any
    ports: tuple[tuple[int, int], ...] = ()  # first and last of each range, at this host; none: all


def parse_rules(texts: object, groups: Mapping[str, Nodes], *, has_packets: bool) -> tuple[PolicyRule, ...]:
    """Returns a list of rules; only those about packets have protocols and ports. Raises ConfigError."""
    return tuple(_rule(text, groups, has_packets=has_packets) for text in strings(texts, POLICY_RULES))


def shown(text: str) -> str:
    """Returns as much of a text as a message shows."""
    return text[:_SHOWN]


def strings(value: object, most: int) -> list[str]:
    """Returns a list of strings; raises ConfigError for anything else."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ConfigError("must be a list of strings in quotes")
    if len(value) > most:
        raise ConfigError(f"must be at most {most}, not {len(value)}")
    return list(value)


def parse_nodes(texts: Iterable[str], groups: Mapping[str, Nodes]) -> Nodes:
    """Returns the nodes that addresses, prefixes, keys, names and @groups stand for; raises ConfigError."""
    subnets: set[bytes] = set()
    prefixes: list[tuple[int, int]] = []
    names: set[str] = set()
    for text in texts:
        if text.startswith(_GROUP):
            group = groups.get(text[1:])
            if group is None:
                raise ConfigError(f"{shown(text)!r}: there is no such group under [policy.groups]")
            subnets |= group.subnets
            prefixes += group.prefixes
            names |= group.names
        elif _KEY.fullmatch(text):
            subnets.add(subnet_of(address_of_exchange_key(bytes.fromhex(text))))
        elif ":" not in text:
            names.add(text.lower())
        elif "/" in text:
            prefixes.append(_prefix(text))
        else:
            subnets.add(subnet_of(_overlay_address(text).packed))
    return Nodes(subnets=frozenset(subnets), prefixes=tuple(prefixes), names=frozenset(names))


def _rule(text: str, groups: Mapping[str, Nodes], *, has_packets: bool) -> PolicyRule:
    complain = partial(_mistake, text)
    what, is_limited, whom = text.partition(f" {_FROM} ")
    action, *words = what.split() or [""]
    if action not in _ACTIONS:
        raise complain("must begin with allow or deny")
    if not has_packets and words:
        raise complain(
            f"must be '{action}' or '{action} from' and nodes: links and sessions have no protocols and ports"
        )
    try:
        protocol = _protocol(words[0]) if words else None
        ports = _ports("".join(words[1:])) if words[1:] else ()
        nodes = Nodes() if whom.strip() == _ANY or not is_limited else parse_nodes(_listed(whom), groups)
    except ConfigError as error:
        raise complain(str(error)) from None
    if ports and protocol not in (TCP, UDP):
        raise complain("only tcp and udp have ports")
    if is_limited and whom.strip() != _ANY and nodes.is_everyone:
        raise complain("an empty group fits no node: remove the rule, or name a node")
    if nodes.names and not _ACTIONS[action]:
        raise complain("a node can change its name, so deny its address or key")
    return PolicyRule(text=" ".join(text.split()), allows=_ACTIONS[action], nodes=nodes, protocol=protocol, ports=ports)


def _mistake(text: str, reason: str) -> ConfigError:
    return ConfigError(f"{shown(text)!r}: {reason}", excerpt=text)


def _listed(text: str) -> list[str]:
    found = [one.strip() for one in text.split(",")]
    if not all(found) or any(len(one.split()) > 1 for one in found):
        raise ConfigError("behind 'from' there must be nodes, separated by commas")
    return found


def _protocol(word: str) -> int | None:
    if word == _ANY:
        return None
    if word in PROTOCOLS:
        return PROTOCOLS[word]
    if _NUMBER.fullmatch(word) and int(word) <= 0xFF:
        return int(word)
    raise ConfigError(f"{shown(word)!r} is not a protocol: tcp, udp, icmp, any, or a number up to 255")


def _ports(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(_range(part) for part in text.split(","))


def _range(text: str) -> tuple[int, int]:
    first, is_range, last = text.partition("-")
    if not is_range:
        last = first
    if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and int(first) <= int(last) <= HIGHEST_PORT):
        raise ConfigError(f"{shown(text)!r} is neither a port, such as 22, nor a range of ports, such as 8000-8099")
    return int(first), int(last)


def _overlay_address(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ConfigError(f"{shown(text)!r} is not an address") from None
    if address not in _OVERLAY:
        raise ConfigError(f"{shown(text)!r} is not an address of the overlay, {OVERLAY_PREFIX}")
    return address


def _prefix(text: str) -> tuple[int, int]:
    """Returns how many bits a prefix leaves out of a /64, and the rest of it."""
    base, _, length = text.partition("/")
    address = _overlay_address(base)
    if not _NUMBER.fullmatch(length) or not _OVERLAY.prefixlen <= int(length) <= _SUBNET_BITS:
        raise ConfigError(f"{shown(text)!r}: a prefix of nodes has {_OVERLAY.prefixlen} to {_SUBNET_BITS} bits")
    left_out = _SUBNET_BITS - int(length)
    return left_out, int.from_bytes(subnet_of(address.packed), "big") >> left_out


def first_of(rules: Sequence[PolicyRule], node: bytes, names: Mapping[str, bytes]) -> PolicyRule | None:
    """Returns the rule that decides about a node, None where none does."""
    return next((rule for rule in rules if rule.nodes.include(node, names)), None)
