"""UDP over loopback: both families, with and without offloads, and every way that a send can be refused."""

import errno
import os
import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from mycelium import timing
from mycelium.endpoint import Endpoint
from mycelium.errors import DeviceError
from mycelium.limits import ENDPOINTS_REMEMBERED, SEGMENT_SIZES_REMEMBERED, SOCKET_BUFFER_BYTES
from mycelium.transport import udp_socket
from mycelium.transport.base import SHORT_BYTES, Transport
from mycelium.transport.udp import OTHERS_AT_ONCE, UdpTransport
from mycelium.transport.underlay import Underlay
from mycelium.wire.datagram import SIZE_PROBE
from tests.lab.waiting import PATIENCE_S


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["offload", "portable"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[UdpTransport, UdpTransport]]:
    transports = UdpTransport.open("::", 0, offload=request.param), UdpTransport.open("::", 0, offload=request.param)
    yield transports
    for transport in transports:
        transport.close()


def at(transport: Transport, host: str) -> Endpoint:
    return Endpoint("udp", host, transport.local_endpoints[0].port)


def receive_datagrams(transport: Transport, count: int) -> list[tuple[bytes, Endpoint]]:
    datagrams: list[tuple[bytes, Endpoint]] = []
    while len(datagrams) < count:
        received = transport.receive()
        if received is None:
            assert select.select([transport], [], [], PATIENCE_S)[0], f"only {len(datagrams)} of {count} datagrams came"
            continue
        data, size, source = received
        datagrams += ((bytes(data[start : start + size]), source) for start in range(0, len(data), size))
    return datagrams


def test_a_lone_datagram_arrives_and_its_answer_goes_back(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    assert one.send(at(two, host), [b"hel", memoryview(b"lo")], 1_200)
    [(data, source)] = receive_datagrams(two, 1)
    assert (data, source.host, source.port) == (b"hello", host, at(one, host).port)
    assert two.send(source, [b"answer"], 1_200)
    assert receive_datagrams(one, 1)[0][0] == b"answer"


@pytest.mark.usefixtures("arrival_times")
def test_a_datagram_tells_for_how_long_it_waited_to_be_taken(
    pair: tuple[UdpTransport, UdpTransport], host: str
) -> None:
    one, two = pair
    assert two.waited_s() == 0.0  # nothing came yet
    began = time.monotonic()
    one.send(at(two, host), [b"a"], 1_200)
    assert select.select([two], [], [], PATIENCE_S)[0]
    came = time.monotonic()
    time.sleep(0.05)
    least = time.monotonic() - came
    receive_datagrams(two, 1)

    assert least <= two.waited_s() <= time.monotonic() - began


def test_short_datagrams_come_one_by_one_so_that_each_has_its_own_wait(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", inf)  # after one the others come one by one too
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as one:
        two = UdpTransport.open("::", 0, offload=False)
        for size in (SHORT_BYTES, SHORT_BYTES, SHORT_BYTES + 1, SHORT_BYTES + 1):
            one.sendto(bytes(size), (host, two.local_endpoints[0].port))
        taken: list[bytes] = []
        while sum(map(len, taken)) < 4 * SHORT_BYTES + 2:
            assert select.select([two], [], [], PATIENCE_S)[0]
            received = two.receive()
            if received is not None:
                taken.append(bytes(received[0]))
        two.close()

    assert [len(data) for data in taken] == [SHORT_BYTES, SHORT_BYTES, 2 * SHORT_BYTES + 2]


def test_a_datagram_after_a_silence_is_returned_before_more_are_looked_for(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[int], bool]] = []
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as one:
        two = UdpTransport.open("::", 0, offload=False)
        for at_once, silence_s in ((2, inf), (1, 0.0), (3, 0.0), (3, inf)):
            for _ in range(at_once):
                one.sendto(bytes(1_000), (host, two.local_endpoints[0].port))
            assert select.select([two], [], [], PATIENCE_S)[0]
            monkeypatch.setattr(timing, "SILENCE_S", silence_s)
            first, is_drained = two.receive(), two.is_drained
            assert first is not None
            monkeypatch.setattr(timing, "SILENCE_S", inf)
            seen.append(([len(first[0]), *(len(received[0]) for received in iter(two.receive, None))], is_drained))
        two.close()

    assert seen == [([2_000], True), ([1_000], True), ([1_000, 2_000], True), ([3_000], True)]


def test_a_flood_is_read_whole_though_other_work_lasts_as_long_as_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", 0.0)  # all time between two reads is such work
    monkeypatch.setattr(timing, "UNSEEN_SILENCE_S", inf)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        two = UdpTransport.open("127.0.0.1", 0, offload=False)
        assert two.receive() is None
        for _ in range(32):
            one.sendto(bytes(1_000), ("127.0.0.1", two.local_endpoints[0].port))
        taken = [len(received[0]) for _ in range(4) if (received := two.receive()) is not None]
        two.close()
    assert (taken[0], sum(taken)) == (1_000, 32_000)


@pytest.mark.parametrize("total", [1_201, 2_400, 44 * 1_200, 62_000, 131_072, 300_000])
def test_a_long_batch_is_cut_into_equal_datagrams(
    pair: tuple[UdpTransport, UdpTransport], host: str, total: int
) -> None:
    one, two = pair
    batch = random.Random(total).randbytes(total)
    pieces = [batch[start : start + 700] for start in range(0, total, 700)]
    assert one.send(at(two, host), pieces, 1_200)
    datagrams = [data for data, _ in receive_datagrams(two, -(-total // 1_200))]
    assert datagrams == [batch[start : start + 1_200] for start in range(0, total, 1_200)]
    assert one.counters.sent_bytes == total == two.counters.received_bytes


def test_many_small_segments_take_several_calls(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    assert one.send(at(two, host), [bytes(10)] * 500, 10)
    assert [data for data, _ in receive_datagrams(two, 500)] == [bytes(10)] * 500


def test_offloads_move_a_burst_in_one_call_each_way(host: str) -> None:
    one, two = UdpTransport.open("::", 0), UdpTransport.open("::", 0)
    if not (one.gso and two.gro):
        pytest.skip("this kernel has no UDP offloads")
    one.send(at(two, host), [bytes(1_200)] * 40, 1_200)
    receive_datagrams(two, 40)
    assert (one.counters.sent_batches, two.counters.received_batches) == (1, 1)
    one.close()
    two.close()


def test_a_kernel_without_offloads_is_served_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_socket, "UDP_SEGMENT", 9_999)
    monkeypatch.setattr(udp_socket, "UDP_GRO", 9_999)
    transport = UdpTransport.open("::", 0)
    assert (transport.gso, transport.gro) == (False, False)
    assert transport.send(at(transport, "::1"), [bytes(1_000)] * 5, 1_000)
    assert len(receive_datagrams(transport, 5)) == 5
    transport.close()


def test_a_single_family_socket_speaks_its_family(host: str) -> None:
    transport = UdpTransport.open(host, 0)
    assert transport.local_endpoints == [Endpoint("udp", host, transport.local_endpoints[0].port)]
    transport.send(at(transport, host), [bytes(100)] * 8, 100)
    [first, *others] = receive_datagrams(transport, 8)
    assert first[1].remote == at(transport, host)
    assert others == [first] * 7
    transport.close()


def test_an_ipv4_socket_counts_what_is_meant_for_ipv6() -> None:
    transport = UdpTransport.open("127.0.0.1", 0)
    assert transport.send(Endpoint("udp", "::1", 9), [b"x"], 1_200)
    assert transport.counters.send_errors == 1
    transport.close()


def test_a_machine_without_ipv6_gets_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    make = socket.socket

    def no_ipv6(family: int = -1, *arguments: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return make(family, *arguments)

    monkeypatch.setattr(socket, "socket", no_ipv6)
    transport = UdpTransport.open("::", 0)
    assert transport.local_endpoints[0].host == "0.0.0.0"
    with pytest.raises(DeviceError, match="cannot listen on udp \\[::1\\]:0"):
        UdpTransport.open("::1", 0)
    transport.close()


def test_the_answer_leaves_from_the_address_that_was_spoken_to(pair: tuple[UdpTransport, UdpTransport]) -> None:
    one, two = pair
    one.send(Endpoint("udp", "127.0.0.77", at(two, "").port), [b"question"], 1_200)
    [(_, source)] = receive_datagrams(two, 1)
    assert source.local == bytes((127, 0, 0, 77))
    two.send(source, [bytes(100)] * 3, 100)
    assert [answer.host for _, answer in receive_datagrams(one, 3)] == ["127.0.0.77"] * 3


@pytest.mark.parametrize(
    ("host", "gone"),
    [("127.0.0.1", bytes((192, 0, 2, 1))), ("::1", socket.inet_pton(socket.AF_INET6, "2001:db8::1"))],
)
def test_where_our_address_is_gone_the_kernel_chooses_another(
    pair: tuple[UdpTransport, UdpTransport], host: str, gone: bytes
) -> None:
    one, two = pair
    stale = at(two, host)._replace(local=gone)
    for _ in range(2):
        assert one.send(stale, [bytes(100)] * 6, 100)
        assert [source.host for _, source in receive_datagrams(two, 6)] == [host] * 6
    assert 1 <= one.counters.source_gone <= 6
    assert one.counters.send_errors == 0
    # learned once: the second batch needed no second attempt
    before = one.counters.source_gone
    one.send(stale, [b"x"], 100)
    assert one.counters.source_gone == before


def test_a_datagram_too_large_for_udp_is_refused_and_counted(
    pair: tuple[UdpTransport, UdpTransport], host: str
) -> None:
    one, two = pair
    assert one.send(at(two, host), [bytes(70_000)], 70_000)
    assert one.send(at(two, host), [bytes(140_000)], 70_000)
    assert one.counters.send_oversize == 3
    assert one.counters.sent_bytes == 0
    one.send(at(two, host), [b"still works"], 1_200)
    assert receive_datagrams(two, 1)[0][0] == b"still works"


def test_a_path_mtu_probe_that_is_too_long_is_counted_apart(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    probe = bytes((SIZE_PROBE,)) + bytes(69_999)
    assert one.send(at(two, host), [probe], len(probe))
    assert (one.counters.mtu_probes_refused, one.counters.send_oversize) == (1, 0)
    assert one.oversize == {at(two, host): len(probe)}


def test_what_is_joined_to_a_datagram_that_is_too_long_leaves_all_the_same(
    pair: tuple[UdpTransport, UdpTransport], host: str
) -> None:
    one, two = pair
    assert one.send(at(two, host), [bytes(66_000), b"short"], 66_000)
    assert receive_datagrams(two, 1)[0][0] == b"short"
    assert one.counters.send_oversize == 1


def test_a_full_socket_says_so(pair: tuple[UdpTransport, UdpTransport], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = pair

    def full(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "full")

    monkeypatch.setattr(one, "_sendmsg", full)
    assert not one.send(at(two, "::1"), [b"x"], 1_200)
    assert not one.send(at(two, "::1"), [bytes(1_200)] * 9, 1_200)
    assert one.counters.send_full == 2


def test_an_interface_without_checksum_offload_turns_gso_off(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = UdpTransport.open("::", 0)
    if not transport.gso:
        pytest.skip("this kernel has no UDP offloads")
    real = transport._sendmsg

    def refuses_gso(buffers: Any, control: Any, flags: int, address: Any) -> int:
        if any(level == udp_socket.SOL_UDP for level, _, _ in control):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(buffers, control, flags, address)

    monkeypatch.setattr(transport, "_sendmsg", refuses_gso)
    assert transport.send(at(transport, "::1"), [bytes(500)] * 10, 500)
    assert len(receive_datagrams(transport, 10)) == 10
    assert not transport.gso
    transport.close()


def test_errors_born_of_icmp_are_never_raised(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    closed = UdpTransport.open("::", 0)
    nobody = at(closed, host)
    closed.close()
    for _ in range(5):
        assert one.send(nobody, [b"anyone?"], 1_200)
        assert one.receive() is None
    one.send(at(two, host), [b"x"], 1_200)
    receive_datagrams(two, 1)


@pytest.mark.parametrize("error", [errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPERM, errno.ENOBUFS])
def test_other_errors_are_counted(
    pair: tuple[UdpTransport, UdpTransport], monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    one, two = pair

    def fails(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(one, "_sendmsg", fails)
    assert one.send(at(two, "::1"), [b"x"], 1_200)
    assert one.counters.send_errors == 1


@pytest.mark.parametrize("name", ["example.net", "fe80::1::2", ""])
def test_a_host_that_is_no_address_is_counted(pair: tuple[UdpTransport, UdpTransport], name: str) -> None:
    assert pair[0].send(Endpoint("udp", name, 9651), [b"x"], 1_200)
    assert pair[0].counters.send_errors == 1


def test_an_empty_datagram_is_harmless(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    one.send(at(two, host), [], 1_200)
    assert select.select([two], [], [], PATIENCE_S)[0]
    received = two.receive()
    assert received is not None
    assert (bytes(received[0]), received[1]) == (b"", 1)


def test_one_source_is_one_endpoint_object(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    for _ in range(2):
        one.send(at(two, host), [b"x"], 1_200)
    [(_, first), (_, second)] = receive_datagrams(two, 2)
    assert first is second


def test_made_up_sources_and_destinations_fill_no_memory(pair: tuple[UdpTransport, UdpTransport]) -> None:
    one, two = pair
    for index in range(ENDPOINTS_REMEMBERED + 10):
        two._sources.understand(("::1", index, 0, 0), [])
        one.send(Endpoint("udp", "::1", 9, 0, b"")._replace(scope=index), [], 1_200)
    assert len(two._sources) <= ENDPOINTS_REMEMBERED
    assert len(two._told) <= ENDPOINTS_REMEMBERED
    assert len(one._routes) <= ENDPOINTS_REMEMBERED
    route = one._remember_route(at(two, "::1"), 0)
    assert route is not None
    for size in range(1, 3 * SEGMENT_SIZES_REMEMBERED):
        route.control(size)
    assert len(route._controls) <= SEGMENT_SIZES_REMEMBERED


def test_a_port_in_use_is_said_plainly() -> None:
    transport = UdpTransport.open("::", 0)
    port = transport.local_endpoints[0].port
    with pytest.raises(DeviceError, match=f"udp port {port} is in use: is another mycelium running\\?"):
        UdpTransport.open("::", port)
    transport.close()
    UdpTransport.open("::", port).close()


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("192.0.2.1", "192.0.2.1:9651: this machine does not have that address"),
        ("2001:db8::1", "\\[2001:db8::1\\]:9651: this machine does not have that address"),
        ("example.net", "example.net:9651: not a numeric address"),
    ],
)
def test_an_address_that_can_not_be_bound_is_said_plainly(host: str, text: str) -> None:
    with pytest.raises(DeviceError, match=f"cannot listen on udp {text}"):
        UdpTransport.open(host, 9651)


class UnprivilegedSocket(socket.socket):
    def setsockopt(self, level: int, option: int, value: Any, *_: Any) -> None:
        if option in (udp_socket.SO_RCVBUFFORCE, udp_socket.SO_SNDBUFFORCE):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        super().setsockopt(level, option, value)


def test_without_privileges_buffers_are_as_large_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", UnprivilegedSocket)
    udp = udp_socket.open_udp_socket("127.0.0.1", 0, Underlay())
    with Path("/proc/sys/net/core/rmem_max").open() as limit:
        assert udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * min(SOCKET_BUFFER_BYTES, int(limit.read()))
    udp.close()


def test_closing_twice_is_fine() -> None:
    transport = UdpTransport.open("::", 0)
    transport.close()
    transport.close()
    assert transport.fileno() == -1


@pytest.mark.parametrize(
    ("number", "cause", "is_way_lost"),
    [
        (errno.ENETUNREACH, "this host has no route to it (network is unreachable)", True),
        (errno.EHOSTUNREACH, "this host is told that it can't be reached (no route to host)", True),
        (errno.ENODEV, "the interface towards it is gone (no such device)", True),
        (errno.EPERM, "a firewall of this host forbids it (operation not permitted)", False),
        (errno.EACCES, "a route or a firewall of this host forbids it (permission denied)", False),
        (errno.EINVAL, "a route of this host discards it (invalid argument)", False),
        (errno.ENOBUFS, "this host can't send there (no buffer space available)", False),
    ],
)
def test_why_nothing_can_be_sent_to_an_endpoint_is_told(number: int, cause: str, is_way_lost: bool) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, "")

    endpoint = Endpoint("udp", "127.0.0.1", 9)
    transport = UdpTransport.open("127.0.0.1", 0)
    transport._sendmsg = refuse
    assert transport.send(endpoint, [b"x"], 1)
    told = {endpoint: cause}
    assert (transport.unreachable, transport.refused) == ((told, {}) if is_way_lost else ({}, told))
    assert transport.counters.send_errors == 1
    transport.close()


# -- QUIC on the same port ---------------------------------------------------------------------------------------------


def test_what_begins_with_a_byte_of_quic_is_handed_over_and_the_rest_arrives(
    pair: tuple[UdpTransport, UdpTransport], host: str
) -> None:
    """The kernel puts what one sender sends together, so both may be in one batch, in any order."""
    one, two = pair
    handed: list[bytes] = []
    two.take_quic = lambda batch, size, source: handed.extend(
        bytes(batch[start : start + size]) for start in range(0, len(batch), size)
    )
    sent = [bytes((first, number)) + bytes(98) for number, first in enumerate(b"\x14\x40\xc0\x15\x15\x7f\x14")]
    sent += [b"\xff\x07" + bytes(9)]
    one.send(at(two, host), sent, 100)  # in one batch
    one.send(at(two, host), [b"\xc0" * 1_200], 1_200)
    one.send(at(two, host), [b"\x10alone"], 1_200)
    received = [data for data, _ in receive_datagrams(two, 5)]
    assert received == [*(data for data in sent if data[0] < 0x40), b"\x10alone"]
    assert handed == [*(data for data in sent if data[0] >= 0x40), b"\xc0" * 1_200]


def test_a_flood_of_quic_leaves_others_their_turn(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    handed: list[int] = []
    two.take_quic = lambda batch, size, source: handed.append(len(batch))
    for number in range(100):
        one.send(at(two, host), [b"\x40" * (100 + number)], 1_200)
    assert select.select([two], [], [], PATIENCE_S)[0]
    assert two.receive() is None
    assert 0 < len(handed) <= OTHERS_AT_ONCE


def test_without_quic_every_datagram_arrives(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    one, two = pair
    one.send(at(two, host), [b"\xc0" * 100, b"\x14" * 100], 100)
    assert [data[0] for data, _ in receive_datagrams(two, 2)] == [0xC0, 0x14]


# -- traffic class -----------------------------------------------------------------------------------------------------


def plain_socket(host: str) -> socket.socket:
    """Returns a socket that tells the traffic class of what it receives."""
    udp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((host, 0))
    udp.settimeout(PATIENCE_S)
    if ":" in host:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return udp


def class_of(udp: socket.socket) -> int:
    _, [(_, _, value)], _, _ = udp.recvmsg(2_000, 100)
    return value[0] if len(value) == 1 else int(struct.unpack("=i", value)[0])


def set_class(udp: socket.socket, value: int) -> None:
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, value)
    if udp.family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, value)


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize(("dscp", "shown"), [(True, 46 << 2 | 2), (False, 2)])
@pytest.mark.parametrize("bound", ["::", ""])
def test_datagrams_leave_with_their_traffic_class_and_those_without_one_with_none(
    host: str, count: int, dscp: bool, shown: int, bound: str
) -> None:
    one = UdpTransport.open(bound or host, 0, dscp=dscp)
    with plain_socket(host) as other:
        there = Endpoint("udp", host, other.getsockname()[1])
        for local in (b"", socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)):
            for value, seen in ((0, 0), (46 << 2 | 2, shown), (0, 0)):
                assert one.send(there._replace(local=local), [bytes(100)] * count, 100, True, value)
                assert [class_of(other) for _ in range(count)] == [seen] * count
    one.close()


def test_the_traffic_class_stays_where_our_address_is_gone(host: str) -> None:
    one = UdpTransport.open("::", 0)
    gone = bytes((192, 0, 2, 1)) if host == "127.0.0.1" else socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    with plain_socket(host) as other:
        there = Endpoint("udp", host, other.getsockname()[1], local=gone)
        for _ in range(2):
            assert one.send(there, [bytes(100)] * 3, 100, True, 8)
            assert [class_of(other) for _ in range(3)] == [8] * 3
    one.close()


def test_marked_datagrams_are_returned_apart_and_told_of(pair: tuple[UdpTransport, UdpTransport], host: str) -> None:
    _, two = pair
    with plain_socket(host) as other:
        for value in (0, 2, 3, 46 << 2 | 3, 2, 1, 3):
            set_class(other, value)
            other.sendto(bytes((0x14,)) + bytes(999), (host, two.local_endpoints[0].port))
        told: list[tuple[int, bool]] = []
        while sum(count for count, _ in told) < 7:
            received = two.receive()
            if received is not None:
                told.append((len(received[0]) // 1_000, two.is_congested))
            else:
                assert select.select([two], [], [], PATIENCE_S)[0], told
    assert told == [(2, False), (2, True), (2, False), (1, True)]
