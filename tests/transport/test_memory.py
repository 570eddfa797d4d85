"""The in-memory twin promises what UDP promises."""

import select

from mycelium.endpoint import Endpoint
from mycelium.limits import MEMORY_TRANSPORT_BYTES
from mycelium.transport.base import Transport
from mycelium.transport.memory import MemoryHub, MemoryTransport


def is_readable(transport: Transport) -> bool:
    return bool(select.select([transport], [], [], 0)[0])


def test_a_batch_crosses_whole_and_in_order() -> None:
    one, two = MemoryTransport.pair()
    assert one.send(two.endpoint, [b"abc", b"defgh"], 3)
    assert one.send(two.endpoint, [b"x"], 3)
    received = two.receive()
    assert received is not None
    assert (bytes(received[0]), received[1], received[2]) == (b"abcdefgh", 3, one.endpoint)
    received = two.receive()
    assert received is not None
    assert (bytes(received[0]), received[1]) == (b"x", 1)
    assert two.receive() is None


def test_the_descriptor_is_readable_while_something_waits() -> None:
    one, two = MemoryTransport.pair()
    assert not is_readable(two)
    one.send(two.endpoint, [b"a"], 10)
    one.send(two.endpoint, [b"b"], 10)
    two.receive()
    assert is_readable(two)
    two.receive()
    assert not is_readable(two)


def test_the_hub_loses_what_it_is_told_to() -> None:
    hub = MemoryHub(drop=lambda source, destination, datagram: datagram == b"bb")
    one, two = hub.open("a"), hub.open("b")
    one.send(two.endpoint, [b"aabbc"], 2)
    received = two.receive()
    assert received is not None
    assert (bytes(received[0]), received[1]) == (b"aac", 2)
    one.send(two.endpoint, [b"bb"], 2)
    assert not is_readable(two)
    assert two.receive() is None


def test_what_is_sent_to_nobody_is_lost() -> None:
    one, two = MemoryTransport.pair()
    two.close()
    assert one.send(two.endpoint, [b"x"], 10)
    assert one.send(Endpoint("memory", "nobody", 1), [b"x"], 10)


def test_a_full_receiver_pushes_back() -> None:
    one, two = MemoryTransport.pair()
    piece = bytes(1 << 20)
    taken = [one.send(two.endpoint, [piece], 1_000) for _ in range(MEMORY_TRANSPORT_BYTES // len(piece) + 1)]
    assert taken == [True] * (len(taken) - 1) + [False]
    assert one.counters.send_full == 1
    two.receive()
    assert one.send(two.endpoint, [piece], 1_000)


def test_an_empty_datagram_is_harmless() -> None:
    one, two = MemoryTransport.pair()
    one.send(two.endpoint, [], 10)
    received = two.receive()
    assert received is not None
    assert (bytes(received[0]), received[1]) == (b"", 1)
