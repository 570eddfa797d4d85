"""One path to a neighbour: what its medium makes needless."""

from math import inf

import pytest

from mycelium.endpoint import Endpoint
from mycelium.limits import DATAGRAM_FLOOR, STREAM_DATAGRAM
from mycelium.link.path.path import Path


def path_over(scheme: str) -> Path:
    path = Path(0, Endpoint(scheme, "192.0.2.1", 9651), is_validated=True, now=0.0)
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
    path.mtu.verify(now=100.0)
    path.mtu.refused(1_452, now=100.0)
    path.mtu.reset(now=100.0)
    assert path.mtu.probe_to_send(now=1e6) is None
    assert path.mtu.size == STREAM_DATAGRAM
    assert path.repair_rtt(now=0.0) is None


def test_the_remote_is_the_neighbours_address_whichever_of_ours_it_is_spoken_to_from() -> None:
    path = Path(0, Endpoint("udp", "192.0.2.1", 9651, 0, bytes(4), 1), is_validated=True, now=0.0)
    assert path.endpoint.remote == Endpoint("udp", "192.0.2.1", 9651)
