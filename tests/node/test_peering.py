"""What finds neighbours belongs together: one dialler, one table of links, and counters of all of it."""

import random
from itertools import count
from types import SimpleNamespace
from typing import cast

from mycelium.counters import Registry
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.endpoint import Endpoint
from mycelium.identity import Identity
from mycelium.link.link import Link
from mycelium.node.peering import Peering
from mycelium.outbox import Outbox
from mycelium.peering.dialler import Candidate, Source
from mycelium.wire.datagram import HANDSHAKE_1, SUITE_CHACHA20_POLY1305
from sim.net.repeatable_crypto import RepeatablePrimitives


def test_its_parts_know_each_other_and_count() -> None:
    outbox, metrics = Outbox(), Registry()
    indices = count(1)
    config = HandshakeConfig(
        identity=Identity(bytes(32)),
        psk=bytes(32),
        network_id=bytes(8),
        suites=SUITE_CHACHA20_POLY1305,
        entropy=random.Random(1).randbytes,
        primitives=RepeatablePrimitives(),
    )
    peering = Peering(config, new_index=lambda: next(indices), outbox=outbox, rng=random.Random(1))
    peering.register(metrics)
    assert {
        "dials_refused",
        "beacons_accepted",
        "peers_told",
        "auto_peers_kept",
        "handshakes_refused",
    } <= metrics.values().keys()
    assert peering.dialler.dial(Candidate(Endpoint("udp", "192.0.2.1", 9651), Source.EXCHANGE), now=0.0)
    [(endpoint, [data], *_)] = outbox.transmits
    assert (endpoint.host, data[0]) == ("192.0.2.1", HANDSHAKE_1)
    assert peering.dialler.dials_for(Source.EXCHANGE)
    assert not peering.links
    peering.links[b"slow"] = cast("Link", SimpleNamespace(untaken_bytes=1_000))
    assert [peering.untaken_bytes(name) for name in (b"slow", b"new")] == [1_000, 0]
