"""What a neighbour can say to routing: streams begun again and again, nodes made up, metrics that swing, requests without end.

Each function prepares one attack, and returns the act that is to be repeated: one frame, or what is said of below.
"""

import os
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final

from mycelium.limits import REMOVAL_PARTS
from mycelium.wire.control import ANY_NODE, Digest, Item, RouteRequest, SeqnoRequest, Update
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.hybrid import HYBRID_SIGNATURE_BYTES
from mycelium.wire.knock import KNOCK_NONCE_BYTES, KnockWanted
from mycelium.wire.lease import LeaseRequest
from mycelium.wire.membership import Chain, Removals, pieces_of
from tests.hostile.attacker import SEQUENCE, Attacker, forged, introduction, made_up, segments_of

FORGERIES: Final = 512
FRAMES_PER_STREAM: Final = 25
ROWS: Final = 11_000
SWINGING: Final = 1_000  # nodes whose metrics change all the time
DELIVERED_S: Final = 60.0
REQUESTS_PER_FRAME: Final = 40

Act = Callable[[], None]


def begin_streams_with_forgeries(attacker: Attacker) -> Act:
    """Announcements that nobody signed, and every so often another control stream; 7 a frame."""
    segments = cycle(segments_of([forged(one) for one in made_up(FORGERIES)]))
    stream, number = attacker.link._control._channel.stream, FRAMES_PER_STREAM

    def act() -> None:
        nonlocal stream, number
        if number == FRAMES_PER_STREAM:
            stream, number = stream + 1, 0
        number += 1
        attacker.send_segment(stream, number, next(segments))

    return act


def begin_streams(attacker: Attacker) -> Act:
    """Streams alone: each makes the victim forget what the attacker said, and tell its whole table again, which is large."""
    bring_nodes(attacker.befriend(), ROWS)
    stream = attacker.link._control._channel.stream

    def act() -> None:
        nonlocal stream
        stream += 1
        attacker.send_segment(stream, 0)

    return act


def bring_nodes(attacker: Attacker, count: int) -> None:
    """Has the victim know nodes that nobody runs, each signed by its own key."""
    attacker.deliver(segments_of([introduction(one) for one in made_up(count)]), seconds=DELIVERED_S)


def make_up_nodes(attacker: Attacker) -> Act:
    """Ever more nodes, each signed by its own key; 7 a frame."""
    return lambda: attacker.say(segments_of([introduction(one) for one in made_up(7)])[0])


def swing_metrics(attacker: Attacker) -> Act:
    """Metrics of nodes that it has brought, better and worse by turns; some thirty a frame."""
    nodes = made_up(SWINGING)
    attacker.deliver(segments_of([introduction(one) for one in nodes]), seconds=DELIVERED_S)
    metrics = (100, 10_000, INFINITY)
    return _saying(attacker, [Update(one.address, distance(SEQUENCE, metric)) for metric in metrics for one in nodes])


def inflate_sequences(attacker: Attacker) -> Act:
    """Sequences of nodes of its own, ever higher, each signed; 7 a frame."""
    nodes, step = made_up(7), 0

    def act() -> None:
        nonlocal step
        step += 1
        attacker.say(segments_of([introduction(one, sequence=SEQUENCE + step) for one in nodes])[0])

    return act


def take_prefixes(attacker: Attacker) -> Act:
    """Nodes that claim everybody's addresses: all of the overlay, and the subnets of others."""
    prefixes = ((7, bytes((4,)) + bytes(15)), (64, attacker.link.address[:8] + bytes(8)))
    nodes = made_up(200)
    claims = [introduction(one, prefixes=prefixes) for one in nodes]
    again = [introduction(one, prefixes=prefixes[:1], sequence=SEQUENCE + 1) for one in nodes]
    return _saying(attacker, [*claims, *again])


def request_routes(attacker: Attacker) -> Act:
    """Requests for whole tables, for routes and for sequences, known nodes and unknown ones; 40 a frame."""
    victim = attacker.link.address
    requests: list[Item] = [RouteRequest(ANY_NODE), RouteRequest(victim), SeqnoRequest(victim, 1 << 47, 64)]
    strangers = [RouteRequest(b"\x04" + os.urandom(15)) for _ in range(REQUESTS_PER_FRAME)]
    return _saying(attacker, [*requests * REQUESTS_PER_FRAME, *strangers])


def send_digests(attacker: Attacker) -> Act:
    """Digests of a table that the attacker does not have, each of which the victim compares with its own; 40 a frame."""
    bring_nodes(attacker, ROWS)
    return _saying(attacker, [Digest(os.urandom(16), ROWS) for _ in range(REQUESTS_PER_FRAME)])


def request_leases(attacker: Attacker) -> Act:
    """Requests for leases of ports, with ever other peers; 40 a frame."""
    return _saying(attacker, [LeaseRequest(b"\x04" + os.urandom(15), os.urandom(4)) for _ in range(2_000)])


def request_knocks(attacker: Attacker) -> Act:
    """Requests for knocks, each another one; 40 a frame."""
    return _saying(attacker, [KnockWanted(os.urandom(KNOCK_NONCE_BYTES)) for _ in range(2_000)])


def show_certificates(attacker: Attacker) -> Act:
    """A member's own certificate again and again, and newer removals that the root key has not signed; four frames each."""
    assert attacker.credentials is not None
    statements: list[Chain | Removals] = []
    for number in range(FORGERIES):
        made_up = os.urandom(HYBRID_SIGNATURE_BYTES)
        statements += attacker.credentials.chain, Removals(number % REMOVAL_PARTS, 1 << 20, (os.urandom(8),), made_up)
    return _saying(attacker, [piece for one in statements for piece in pieces_of(one)])


def _saying(attacker: Attacker, items: Sequence[Item]) -> Act:
    segments = cycle(segments_of(items))
    return lambda: attacker.say(next(segments))
