"""What attackers in memory share: eyes on the wires of a virtual network, and first messages that anybody can make."""

import random
from collections.abc import Callable, Iterator

from mycelium.crypto.cookies import PERIOD_S, seal_message_1
from mycelium.crypto.primitives import RealPrimitives
from mycelium.endpoint import Endpoint
from mycelium.limits import HANDSHAKES_PER_SECOND
from mycelium.wire.datagram import HANDSHAKE_1, HANDSHAKE_1_HEAD, PROTOCOL_VERSION, SUITE_CHACHA20_POLY1305
from sim.net.network import PORT
from sim.net.node_net import NodeNet


def first_messages(period: int, *, seed: int = 1) -> Iterator[bytes]:
    """Yields messages 1 as anybody can make them in an open network, each with another `e`."""
    rng = random.Random(seed)
    kem = RealPrimitives().kem_keypair(rng.randbytes(64))[1]
    while True:
        head = HANDSHAKE_1_HEAD.pack(
            HANDSHAKE_1, PROTOCOL_VERSION, SUITE_CHACHA20_POLY1305, 0, rng.randrange(1, 1 << 32)
        )
        yield seal_message_1(head + rng.randbytes(32) + kem, bytes(32), period=period)


def strain(net: NodeNet, name: str, seconds: float) -> None:
    """Has strangers use up what a node answers without a cookie, for a while."""
    messages = first_messages(int(net.now // PERIOD_S))
    for number in range(int(seconds * 2 * HANDSHAKES_PER_SECOND)):
        source = Endpoint("udp", f"198.51.{number % 100}.{number % 250}", PORT)
        when = net.now + number / (2 * HANDSHAKES_PER_SECOND)
        net.at(when, lambda source=source: net.inject(name, source, next(messages)))  # type: ignore[misc]
    net.run(1)


def eavesdrop(net: NodeNet, sender: str, act: Callable[[str, bytes], None]) -> None:
    """Calls `act` with the receiver and the bytes of each datagram that a host sends, 0.1 ms after it was sent."""

    def see(source: str, receiver: str, data: bytes) -> bool:
        if source == sender:
            net.at(net.now + 0.0001, lambda: act(receiver, data))
        return False

    net.drop = see
