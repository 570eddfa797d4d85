"""One machine with a thousand keys: each act is another node with a link of its own."""

import random
from collections.abc import Callable, Iterator
from typing import Final

from tests.hostile.attacker import Attacker
from tests.lab.flood import SOURCES

SITE: Final = f"{SOURCES}:0:1"  # a /48 that one person holds
SITE_SEED: Final = 1

Act = Callable[[], None]


def open_links(attacker: Attacker) -> Act:
    """Links with fresh keys from one host."""
    return lambda: attacker.friends.append(Attacker(attacker.there))


def open_links_of_a_site(attacker: Attacker) -> Act:
    """Links with fresh keys from ever other /64 of one /48."""
    return _from(attacker, _addresses(1 << 16))


def open_links_of_ten_subnets(attacker: Attacker) -> Act:
    """Links with fresh keys from ten /64 of one /48."""
    return _from(attacker, _addresses(10))


def _from(attacker: Attacker, addresses: Iterator[str]) -> Act:
    return lambda: attacker.friends.append(Attacker(attacker.there, here=next(addresses)))


def _addresses(subnets: int) -> Iterator[str]:
    rng = random.Random(SITE_SEED)
    while True:
        yield f"{SITE}:{rng.randrange(subnets):x}::{rng.randrange(1, 1 << 16):x}"
