"""One end of link handshakes without a node, and the datagrams between two of them."""

import random
from collections.abc import Callable
from itertools import count

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.handshakes import Completed, Handshakes
from mycelium.outbox import Outbox
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from sim.net.repeatable_crypto import RepeatablePrimitives

OWN, PEER = Identity(bytes(31) + b"\x01"), Identity(bytes(31) + b"\x02")
HERE = Endpoint("udp", "192.0.2.1", 9651)


class HandshakeEnd:
    """The handshakes of one node, and the datagrams that they want sent."""

    def __init__(self, identity: Identity, *, first_index: int = 1) -> None:
        dice = random.Random(1)
        config = HandshakeConfig(
            identity=identity, suites=SUITE_CHACHA20_POLY1305, entropy=dice.randbytes, primitives=RepeatablePrimitives()
        )
        indices = count(first_index)
        self.outbox = Outbox()
        self.handshakes = Handshakes(config, rng=dice, outbox=self.outbox, new_index=lambda: next(indices))

    def take_datagrams(self) -> list[tuple[Endpoint, memoryview]]:
        taken = [(endpoint, memoryview(b"".join(buffers))) for endpoint, buffers, *_ in self.outbox.transmits]
        self.outbox.clear()
        return taken

    def receive(self, data: memoryview, *, source: Endpoint = HERE, now: float = 0.0) -> Completed | None:
        return self.handshakes.receive(source, data, now=now)


def exchange(
    ours: HandshakeEnd, theirs: HandshakeEnd, on_completed: Callable[[Completed], object] = lambda completed: None
) -> tuple[list[Completed], list[Completed]]:
    """Carries datagrams both ways until none is left; returns the handshakes completed at each end."""
    completed: tuple[list[Completed], list[Completed]] = [], []
    while datagrams := ours.take_datagrams():
        completed[1].extend(done for _, data in datagrams if (done := theirs.receive(data)) is not None)
        for _, data in theirs.take_datagrams():
            done = ours.receive(data)
            if done is not None:
                completed[0].append(done)
                on_completed(done)
    return completed
