"""What the links of one node share."""

import random

from mycelium.crypto.handshake import HandshakeConfig
from mycelium.link.handshakes import Completed
from mycelium.node.link_maker import LinkMaker
from mycelium.node.peering import Peering
from mycelium.outbox import Outbox
from mycelium.routing.excess import Excesses
from mycelium.timing import Deadlines
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from sim.net.repeatable_crypto import RepeatablePrimitives
from tests.channel.support import agreed_keys
from tests.link.support import HERE, OWN


def peering() -> Peering:
    """Returns where a link maker finds its node's identity, and what its peers are pinned to."""
    config = HandshakeConfig(
        identity=OWN,
        suites=SUITE_CHACHA20_POLY1305,
        entropy=random.Random(1).randbytes,
        primitives=RepeatablePrimitives(),
    )
    return Peering(config, new_index=lambda: 1, outbox=Outbox(), rng=random.Random(1))


def test_links_report_to_one_queue_and_are_called_by_their_names() -> None:
    deadlines: Deadlines[bytes | str] = Deadlines()
    outbox, dice = Outbox(), random.Random(1)
    maker = LinkMaker(peering(), Excesses(), outbox=outbox, deadlines=deadlines, entropy=dice.randbytes)
    one = maker.make(Completed(agreed_keys(is_initiator=True, index=1), HERE, b""), b"one", now=1.0)
    other = maker.make(Completed(agreed_keys(is_initiator=False, index=2), HERE, None), b"other", now=1.0)
    assert (one.name, other.name) == (b"one", b"other")
    assert one.frames.counters is other.frames.counters is maker.counters
    assert set(deadlines.take_due(now=1.0)) == {b"one", b"other"}
    maker.arm(b"one")(5.0)
    assert deadlines.next() == 5.0
    assert outbox.transmits == []
    one.reported_unreachable([("udp", "192.0.2.9", 1, 0)], now=1.0)
    assert maker.events == []


def test_control_streams_of_all_links_have_numbers_of_their_own() -> None:
    deadlines: Deadlines[bytes | str] = Deadlines()
    maker = LinkMaker(peering(), Excesses(), outbox=Outbox(), deadlines=deadlines, entropy=random.Random(1).randbytes)
    assert len({maker._new_stream() for _ in range(10)}) == 10
    again = LinkMaker(peering(), Excesses(), outbox=Outbox(), deadlines=deadlines, entropy=random.Random(2).randbytes)
    assert abs(again._new_stream() - maker._new_stream()) > 1_000
