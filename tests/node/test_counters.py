"""The counters of a node: datagrams for nobody are counted there, and each metric is read by its name."""

from mycelium.endpoint import Endpoint
from tests.support.small_meshes import counter, ready_pair


def test_datagrams_for_nobody_are_counted_one_by_one() -> None:
    net = ready_pair()
    stranger = Endpoint("udp", "stranger", 9651)
    net.inject("a", stranger, bytes(64))
    net.inject("a", stranger, b"\x14\0\0\0\xff\xff\xff\xff" + bytes(56))
    net.inject("a", stranger, bytes(640), segment_size=64)
    assert counter(net, "a", "datagrams_unknown") == 12
    assert counter(net, "b", "datagrams_unknown") == 0
