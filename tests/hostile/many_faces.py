"""One machine with a thousand keys: each act is another node with a link of its own."""

import contextlib
import random
import socket
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final

from mycelium.crypto.cookies import PERIOD_S
from mycelium.crypto.link_handshake import LinkInitiator
from tests.hostile.attacker import Attacker
from tests.lab.flood import SOURCES

SITE: Final = f"{SOURCES}:0:1"  # a /48 that one person holds
SITE_SEED: Final = 1
DIFFERENT: Final = 256  # first messages that are sent by turns

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


def begin_handshakes(attacker: Attacker) -> Act:
    """First messages of handshakes, in time and each another one, that nobody goes on with."""
    config, period = attacker.node.handshakes._config, int(time.time() // PERIOD_S)
    messages = cycle(
        [LinkInitiator(config, local_index=index, pin=None, period=period).message_1 for index in range(1, DIFFERENT)]
    )
    stranger = socket.socket(attacker.socket.family, socket.SOCK_DGRAM)

    def act() -> None:
        with contextlib.suppress(BlockingIOError):
            stranger.sendto(next(messages), socket.MSG_DONTWAIT, attacker.there)

    return act


def _from(attacker: Attacker, addresses: Iterator[str]) -> Act:
    return lambda: attacker.friends.append(Attacker(attacker.there, here=next(addresses)))


def _addresses(subnets: int) -> Iterator[str]:
    rng = random.Random(SITE_SEED)
    while True:
        yield f"{SITE}:{rng.randrange(subnets):x}::{rng.randrange(1, 1 << 16):x}"
