"""The sockets below QUIC: which one is used, and what they say."""

from mycelium.endpoint import Endpoint
from mycelium.transport.quic import causes
from mycelium.transport.quic.carriers import Carriers, below
from mycelium.transport.quic.counters import QuicCounters
from tests.transport.quic.support import MemoryCarrier, MemoryNet

THERE = Endpoint("udp", "10.0.0.9", 9651)


class Ranked(MemoryCarrier):
    """One that fits endpoints as well as it is told, and may be full."""

    rank = 1.0
    has_room = True

    def reach(self, endpoint: Endpoint) -> float:
        return self.rank

    def send(self, endpoint: Endpoint, buffers: object, segment_size: int) -> bool:
        self.sent.append(b"")
        return self.has_room


def made() -> tuple[Carriers, Ranked, Ranked, QuicCounters]:
    net, counters = MemoryNet(), QuicCounters()
    one, other = Ranked(net, "10.0.0.1"), Ranked(net, "10.0.0.2")
    return Carriers([one, other], lambda batch, size, source, waited_s: None, counters), one, other, counters


def test_the_best_socket_for_an_endpoint_sends_and_says_what_is_wrong_once() -> None:
    carriers, one, other, counters = made()
    other.rank = 2.0
    assert carriers.reach(THERE) == 2.0
    other.unreachable[THERE] = "no route"
    assert carriers.send(THERE, [b"x" * 5, b"x" * 5, b"x"]) == "no route"
    assert carriers.send(THERE, [b"x"]) == ""
    other.oversize[THERE] = 1_200
    assert carriers.send(THERE, [b"x"]) == causes.TOO_LONG
    other.refused[THERE] = "forbidden"
    assert carriers.send(THERE, [b"x"]) == "forbidden"
    other.has_room = False
    carriers.send(THERE, [b"x"])
    assert (len(one.sent), len(other.sent), counters.send_full) == (0, 5, 1)


def test_what_concerns_other_endpoints_is_left_to_udp() -> None:
    carriers, one, other, _ = made()
    one.unreachable[THERE] = other.unreachable[THERE] = "no route"
    assert carriers.send(THERE._replace(port=1), [b"x"]) == ""
    assert one.unreachable == other.unreachable == {THERE: "no route"}


def test_packets_come_with_the_time_that_they_waited_in_their_socket() -> None:
    net, taken = MemoryNet(), list[tuple[int, float]]()
    one, other = Ranked(net, "10.0.0.1"), Ranked(net, "10.0.0.2")
    Carriers([one, other], lambda batch, size, source, waited_s: taken.append((size, waited_s)), QuicCounters())
    one.waited, other.waited = 0.25, 0.5
    for number, carrier in enumerate((one, other)):
        assert carrier.take_quic is not None
        carrier.take_quic(memoryview(b"x"), number, THERE)
    assert taken == [(0, 0.25), (1, 0.5)]


def test_without_sockets_nothing_can_be_reached_and_closing_hands_nothing_over() -> None:
    assert Carriers([], lambda batch, size, source, waited_s: None, QuicCounters()).reach(THERE) == 0.0
    carriers, one, other, _ = made()
    assert one.take_quic is not None
    carriers.close()
    assert one.take_quic is other.take_quic is None


def test_below_a_connection_is_the_same_address_by_udp() -> None:
    assert below(THERE._replace(scheme="quic", connection=7)) == THERE
