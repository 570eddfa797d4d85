"""One path to a neighbour: what its medium makes needless, what it acknowledges and reports."""

from math import inf

import pytest

from mycelium.channel.byte_budget import ByteBudget
from mycelium.endpoint import Endpoint
from mycelium.limits import DATAGRAM_FLOOR, STREAM_DATAGRAM
from mycelium.link.counters import LinkCounters
from mycelium.link.handshakes import Completed
from mycelium.link.keypair import LinkKeypair
from mycelium.link.path.path import Path
from mycelium.link.reassembly import PartialBudget
from mycelium.link.repair.gaps import WORTHWHILE_RTT_S
from mycelium.wire.datagram import FRAME_HEAD, TAG_BYTES
from tests.channel.support import agreed_keys


def a_keypair() -> LinkKeypair:
    completed = Completed(agreed_keys(is_initiator=False), Endpoint("udp", "192.0.2.1", 9651), None)
    return LinkKeypair(completed, PartialBudget(), ByteBudget(1 << 20), LinkCounters(), now=0.0)


def path_over(scheme: str) -> Path:
    path = Path(0, Endpoint(scheme, "192.0.2.1", 9651), now=0.0)
    path.rtt.sample(0.01, now=0.0)
    return path


def test_a_datagram_path_probes_its_size_and_has_losses_repaired() -> None:
    path = path_over("udp")
    assert path.mtu.size == DATAGRAM_FLOOR
    assert path.mtu.probe_to_send(now=0.0) is not None
    assert path.repair_rtt(now=0.0) == pytest.approx(0.01)


def test_a_stream_path_probes_nothing_and_repairs_nothing() -> None:
    path = path_over("tcp")
    assert path.mtu.size == STREAM_DATAGRAM
    assert path.mtu.deadline == inf
    path.mtu.verify(pto_s=0.1, now=100.0)
    path.mtu.refused(1_452, now=100.0)
    path.mtu.reset(now=100.0)
    assert path.mtu.probe_to_send(now=1e6) is None
    assert path.mtu.size == STREAM_DATAGRAM
    assert path.repair_rtt(now=0.0) is None


def test_the_remote_is_the_neighbours_address_whichever_of_ours_it_is_spoken_to_from() -> None:
    path = Path(0, Endpoint("udp", "192.0.2.1", 9651, 0, bytes(4), 1), now=0.0)
    assert path.endpoint.remote == Endpoint("udp", "192.0.2.1", 9651)


def test_frames_that_may_still_be_repaired_are_reported_as_opened() -> None:
    """The neighbour would take them for lost, and halve its frames, where repair is about to bring them."""
    path = path_over("udp")
    assert path.arrivals == (0, 0)
    keypair = a_keypair()
    path.note_arrival(keypair, 1, 100)
    for counter in (1, 2, 5):
        keypair.opening.opened += 1
        keypair.opening.window.commit(counter)
        keypair.gaps.opened(counter, srtt=0.01, now=0.0)
    assert keypair.gaps.pending == 2
    assert path.arrivals == (5, 5)
    keypair.gaps.give_up_all([])
    assert path.arrivals == (3, 5)


def test_each_frame_acknowledges_the_newest_counter_under_the_newest_keypair() -> None:
    path = path_over("udp")
    first, second = a_keypair(), a_keypair()
    for keypair, counter, newest in ((first, 5, 5), (first, 3, 5), (first, 6, 6), (second, 1, 1), (second, 2, 2)):
        path.note_arrival(keypair, counter, 100)
        assert path.newest == newest


def test_queues_make_no_path_too_long_for_repair() -> None:
    path = path_over("udp")
    path.rtt.srtt = 10 * WORTHWHILE_RTT_S
    assert path.repair_rtt(now=0.0) == WORTHWHILE_RTT_S
    long = Path(0, Endpoint("udp", "192.0.2.1", 9651), now=0.0)
    assert long.repair_rtt(now=0.0) is None
    long.rtt.sample(1.1 * WORTHWHILE_RTT_S, now=0.0)
    assert long.repair_rtt(now=0.0) is None


def test_the_bytes_that_arrive_are_those_of_the_datagrams_that_a_frame_came_in() -> None:
    path, keypair = path_over("udp"), a_keypair()
    size = path.mtu.size
    path.note_arrival(keypair, 1, size - FRAME_HEAD.size)
    path.note_arrival(keypair, 2, size - FRAME_HEAD.size)
    fitting = path.rx_bytes
    assert fitting == 2 * size
    path.note_arrival(keypair, 3, 3 * size)
    assert 3 * size + 4 * FRAME_HEAD.size <= path.rx_bytes - fitting <= 3 * size + 4 * (FRAME_HEAD.size + 2 * TAG_BYTES)
    before = path.rx_bytes
    path.note_arrival(keypair, 4, size)  # with its head it takes two datagrams
    assert path.rx_bytes - before >= size + 2 * FRAME_HEAD.size


def test_a_path_that_is_exactly_as_long_as_repair_bears_is_repaired() -> None:
    path = Path(0, Endpoint("udp", "192.0.2.1", 9651), now=0.0)
    path.rtt.sample(WORTHWHILE_RTT_S, now=0.0)
    path.rtt.srtt = 2 * WORTHWHILE_RTT_S
    assert path.repair_rtt(now=0.0) == WORTHWHILE_RTT_S


def test_a_new_path_acknowledges_nothing_and_has_no_number_of_the_neighbour_s() -> None:
    path = path_over("udp")
    assert path.newest == 0
    assert path.peer_number not in range(256)
