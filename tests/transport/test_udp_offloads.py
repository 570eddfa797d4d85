"""UDP_SEGMENT and UDP_GRO, each switched off in turn: whatever is sent in one call arrives datagram by datagram."""

import select
from contextlib import closing
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mycelium.endpoint import Endpoint
from mycelium.outbox import Transmit
from mycelium.transport.set import TransportSet
from mycelium.transport.udp import UdpTransport
from tests.lab.waiting import PATIENCE_S
from tests.support.examples import examples

CE = 3
KINDS = st.sampled_from([0, 0, 0, 2, CE])


class Batch(NamedTuple):
    """What one call sends: bytes in all, in each datagram, and in each buffer."""

    total: int
    size: int
    step: int
    traffic_class: int


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    size = draw(st.sampled_from([1, 20, 79, 80, 81, 1_199, 1_200, 1_200, 1_200, 1_452, 9_000, 30_001]))
    total = size * draw(st.integers(0, 3 if size > 2_000 else 70)) + draw(st.integers(1, size))
    if total <= size:  # a lone datagram is one buffer
        return Batch(total, total, total, draw(KINDS))
    return Batch(total, size, draw(st.sampled_from([size, max(total // 5, 1)])), draw(KINDS))


@pytest.mark.parametrize("receives", [True, False], ids=["GRO", "no GRO"])
@pytest.mark.parametrize("sends", [True, False], ids=["GSO", "no GSO"])
@given(st.lists(batches(), min_size=1, max_size=12), st.sampled_from(["127.0.0.1", "::1"]))
@settings(deadline=None, max_examples=examples(30), phases=[Phase.generate])  # shrinking would wait for what is lost
def test_datagrams_arrive_as_they_were_sent_with_their_marks(
    sends: bool, receives: bool, made: list[Batch], host: str
) -> None:
    with (
        closing(UdpTransport.open("::", 0, offload=sends)) as sender,
        closing(UdpTransport.open("::", 0, offload=receives)) as receiver,
    ):
        there = Endpoint("udp", host, receiver.local_endpoints[0].port)
        transmits: list[Transmit] = []
        expected: list[tuple[bytes, bool]] = []
        for number, (total, size, step, kind) in enumerate(made):
            data = bytes((0x10 + number,)) * total
            transmits.append((there, [data[at : at + step] for at in range(0, total, step)], size, True, kind))
            expected += [(data[at : at + size], kind == CE) for at in range(0, total, size)]
        assert not TransportSet([sender]).send(transmits)
        seen: list[tuple[bytes, bool]] = []
        while len(seen) < len(expected):
            received = receiver.receive()
            if received is None:
                assert select.select([receiver], [], [], PATIENCE_S)[0], f"{len(seen)} of {len(expected)} came"
                continue
            view, size, _ = received
            seen += [(bytes(view[at : at + size]), receiver.is_congested) for at in range(0, len(view), size)]
        assert seen == expected
        assert receiver.receive() is None
