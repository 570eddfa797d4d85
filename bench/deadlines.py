"""What the node's timer costs with few and with many links: microseconds per question for the next deadline, and per timeout.

./dev bench deadlines
"""

import argparse
import os
import random
from time import perf_counter

from mycelium.crypto.handshake import AgreedKeys, KeySecrets
from mycelium.crypto.keys import OpeningKey, SealingKey
from mycelium.crypto.primitives import RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity, address_of_exchange_key
from mycelium.link.handshakes import Completed
from mycelium.node.node import Node
from mycelium.node.settings import NodeSettings
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305

NOW = 1_000.0


def node_with(links: int) -> Node:
    """Returns a node that has completed so many handshakes; their neighbours do not answer."""
    primitives = RealPrimitives()
    node = Node(
        Identity(os.urandom(32)),
        settings=NodeSettings(suites=SUITE_CHACHA20_POLY1305),
        epoch=1,
        entropy=os.urandom,
        rng=random.Random(1),
        primitives=primitives,
        now=NOW,
    )
    for number in range(links):
        exchange_key, cipher = os.urandom(32), primitives.aead(SUITE_CHACHA20_POLY1305, bytes(32))
        keys = AgreedKeys(
            peer_exchange_key=exchange_key,
            peer_address=address_of_exchange_key(exchange_key),
            local_index=number + 1,
            remote_index=number + 1,
            sealing=SealingKey(cipher),
            opening=OpeningKey(cipher),
            secrets=KeySecrets(SUITE_CHACHA20_POLY1305, bytes(32), bytes(32)),
            is_initiator=False,
        )
        node.neighbours.adopt(Completed(keys, Endpoint("udp", "192.0.2.1", number + 1), None), now=NOW)
    node.handle_timeout(now=NOW)
    node.outbox.clear()
    return node


def measure(links: int, rounds: int) -> tuple[float, float]:
    """Returns the least microseconds of a question and of a timeout that finds one link due."""
    node = node_with(links)
    started = perf_counter()
    for _ in range(rounds):
        node.next_deadline()
    question_us = (perf_counter() - started) / rounds * 1e6
    timeouts: list[float] = []
    now = NOW
    link = next(iter(node.links.values()))
    for _ in range(min(rounds, 100)):
        now += 1e-3
        link.paths.active.liveness.probe_now(now=now)
        link.frames.arm(now)
        started = perf_counter()
        node.handle_timeout(now=now)
        timeouts.append((perf_counter() - started) * 1e6)
        node.outbox.clear()
    return question_us, min(timeouts)


def main() -> None:
    """Prints a line for each number of links."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args().rounds
    for links in (1, 1_000):
        question_us, timeout_us = measure(links, rounds)
        print(
            f"{links:5} links  next_deadline {question_us:7.2f} us  handle_timeout, one link due {timeout_us:7.1f} us"
        )


if __name__ == "__main__":
    main()
