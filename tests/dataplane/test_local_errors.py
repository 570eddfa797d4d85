"""ICMPv6 errors for local applications: what draws one, from whom it comes, and how many there are."""

from ipaddress import IPv6Address

from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.local_errors import LocalErrors
from mycelium.limits import ICMP_ERRORS_PER_SECOND
from mycelium.outbox import Outbox
from mycelium.packet.ipv6 import HEADER_BYTES, NO_ROUTE, echo_request, icmpv6_error
from tests.dataplane.support import ready
from tests.support.small_meshes import ping_packet


def test_no_error_answers_an_error() -> None:
    net = ready("abc")
    a, c = net.hosts["a"], net.hosts["c"]
    error = bytearray(icmpv6_error(NO_ROUTE, a.address, c.address, ping_packet(net, "c", "a", b"")))
    error[7] = 1
    net.send("a", bytes(error))
    net.run(1)
    assert a.delivered == []


def test_errors_to_applications_are_limited() -> None:
    net = ready("ab")
    packet = bytearray(ping_packet(net, "a", "b", b""))
    packet[24:40] = bytes.fromhex("0555") + bytes(13) + b"\1"
    net.run(2)
    for _ in range(10):
        net.send_batch("a", [(bytes(packet), 0, 0)] * 50)
    assert len(net.hosts["a"].delivered) == ICMP_ERRORS_PER_SECOND


# -- alone -------------------------------------------------------------------------------------------------------------

OWN, APPLICATION, NOBODY = (bytes((4,)) + bytes(14) + bytes((number,)) for number in range(3))


class Errors:
    """Errors of one node, and what its applications get of them."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.counters = DataplaneCounters()
        self._errors = LocalErrors(OWN, self.outbox, self.counters, now=0.0)

    def report(self, packet: bytes, *, now: float = 0.0, reporter: bytes | None = None) -> list[IPv6]:
        self.outbox.clear()
        self._errors.report(NO_ROUTE, memoryview(packet), now=now, reporter=reporter)
        return [IPv6(bytes(error)) for error, _, _ in self.outbox.deliveries]


def test_an_error_goes_to_the_sender_and_comes_from_this_node_or_from_the_relay_that_reported_it() -> None:
    errors, packet = Errors(), echo_request(APPLICATION, NOBODY, 7, 1, b"data")
    for reporter, source in ((None, OWN), (NOBODY, NOBODY)):
        [error] = errors.report(packet, reporter=reporter)
        assert (IPv6Address(error.src).packed, IPv6Address(error.dst).packed) == (source, APPLICATION)
        assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == NO_ROUTE
    assert errors.counters.icmp_errors == 2


def test_less_than_a_header_draws_no_error() -> None:
    errors, packet = Errors(), echo_request(APPLICATION, NOBODY, 7, 1)
    assert errors.report(packet[: HEADER_BYTES - 1]) == []
    assert errors.counters.icmp_errors == 0


def test_a_second_later_there_are_errors_again() -> None:
    errors, packet = Errors(), echo_request(APPLICATION, NOBODY, 7, 1)
    assert sum(len(errors.report(packet)) for _ in range(2 * ICMP_ERRORS_PER_SECOND)) == ICMP_ERRORS_PER_SECOND
    assert len(errors.report(packet, now=1.0)) == 1
