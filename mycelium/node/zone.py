"""The names of nodes as the DNS has them: `berlin.corp.myc`, and `mshf7zrwwgux.myc` from the address of a node."""

import re
from typing import Final

from mycelium.node.names import Names, is_name

DEFAULT_DOMAIN: Final = "myc"

_NO_NAME: Final = re.compile(r"[^a-z0-9]+")


def network_label(network_name: str) -> str:
    """Returns the label of the DNS for a network's name, with a hyphen for what no label can have; empty if nothing is left."""
    return _NO_NAME.sub("-", network_name.lower())[:63].strip("-")


def is_domain(text: str) -> bool:
    """Tells whether a text can be the domain of names: labels in lower case, with dots between them."""
    return len(text) <= 128 and all(map(is_name, text.split(".")))


class Zone:
    """The domain names below one domain."""

    def __init__(self, names: Names, *, domain: str, network_name: str) -> None:
        self._names = names
        self.domain = domain
        label = network_label(network_name)
        self.suffix = f".{label}.{domain}" if label else f".{domain}"

    @property
    def has_announced_names(self) -> bool:
        """Whether nodes are called something here besides what comes from their addresses."""
        return self._names.is_private

    def holds(self, name: str) -> bool:
        """Tells whether a domain name, in lower case and without the last dot, is one of this zone, known or not."""
        return name == self.domain or name.endswith(f".{self.domain}")

    def is_above_names(self, name: str) -> bool:
        """Tells whether a domain name has no address itself, but names of nodes below it."""
        return name in (self.domain, self.suffix[1:])

    def address_of(self, name: str, *, now: float) -> bytes | None:
        """Returns the overlay address that a domain name stands for."""
        announced = name.removesuffix(self.suffix)
        if announced != name and announced in (nodes := self._names.nodes(now=now)):
            return nodes[announced]
        return self._names.find_by_address(name.removesuffix(f".{self.domain}"), now=now)

    def all(self, *, now: float) -> dict[str, bytes]:
        """Returns the overlay address of each announced name."""
        return {f"{name}{self.suffix}": node for name, node in self._names.nodes(now=now).items()}
