"""The policy of a node: what comes in by the rules, as an answer, as an error about what left, and what never does."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6MLReport,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.packet import Packet, Raw

from mycelium.policy import node_policy as node_policy_module
from mycelium.policy.flows import DATAGRAMS_S, ESTABLISHED_S, NOTED_S, TRANSITORY_S
from mycelium.policy.node_policy import FRAGMENTS_S, NodePolicy
from mycelium.policy.settings import parse_policy

US, THEM, THIRD = "400:1::1", "400:2::2", "400:3::3"
NODE, OTHER = (bytes(IPv6(src=name))[8:24] for name in (THEM, THIRD))
IN = IPv6(src=THEM, dst=US)
OUT = IPv6(src=US, dst=THEM)


class Guarded:
    """A host behind a policy, with a clock of its own."""

    def __init__(self, value: object = "closed", *, is_private: bool = False) -> None:
        self.now = 0.0
        self.names: Mapping[str, bytes] = {}
        self.policy = NodePolicy(parse_policy(value), is_private=is_private)
        self.policy.names = lambda _: self.names

    def enters(self, *packets: Packet, node: bytes = NODE) -> list[bool]:
        """Has packets arrive in one train; returns which enter."""
        arrived = [(memoryview(bytearray(bytes(packet))), 0, 0) for packet in packets]
        assert self.policy.admits is not None
        refused = self.policy.admits(node, arrived, now=self.now)
        return [all(one is not other for other in refused) for one in arrived]

    def allows(self, packet: Packet, *, node: bytes = NODE) -> bool:
        return self.enters(packet, node=node)[0]

    def leaves(self, *packets: Packet, node: bytes = NODE) -> None:
        """Has packets leave in one run."""
        buffer, slots = bytearray(), []
        for packet in packets:
            buffer += bytes(8)
            slots.append((len(buffer), len(buffer) + len(packet), 0, 0))
            buffer += bytes(packet)
        assert self.policy.departs is not None
        self.policy.departs(node, memoryview(buffer + bytes(100)), slots, now=self.now)


def udp(source: int, destination: int, *, out: bool = False) -> Packet:
    return (OUT if out else IN) / UDP(sport=source, dport=destination) / Raw(b"data")


def tcp(source: int, destination: int, flags: str = "A", *, out: bool = False) -> Packet:
    return (OUT if out else IN) / TCP(sport=source, dport=destination, flags=flags)


# -- the default -------------------------------------------------------------------------------------------------------


def test_the_open_network_is_closed_and_a_private_one_open_unless_it_is_said() -> None:
    assert Guarded({}).policy.default == "closed"
    private = Guarded({}, is_private=True)
    assert (private.policy.default, private.policy.admits, private.policy.departs) == ("open", None, None)
    assert Guarded("closed", is_private=True).policy.admits is not None
    assert Guarded("open").policy.admits is None


@pytest.mark.parametrize(
    "packet",
    [
        tcp(1_000, 22, "S"),
        tcp(1_000, 22, "A"),
        udp(1_000, 53),
        IN / ICMPv6EchoReply(id=7),
        IN / ICMPv6MLReport(),
        IPv6(src=THEM, dst=US, nh=47) / Raw(b"gre"),
        IPv6(src=THEM, dst=US, nh=59),
        IN / IPv6ExtHdrDestOpt() / UDP(dport=53),
    ],
)
def test_nothing_comes_in_uncalled(packet: Packet) -> None:
    assert not Guarded().allows(packet)


def test_echo_comes_in_unless_a_rule_forbids_it() -> None:
    assert Guarded().allows(IN / ICMPv6EchoRequest(id=7))
    assert not Guarded({"packets": ["deny icmp"]}).allows(IN / ICMPv6EchoRequest(id=7))


# -- answers -----------------------------------------------------------------------------------------------------------


def test_answers_come_in_from_where_they_were_asked_for_and_nowhere_else() -> None:
    host = Guarded()
    host.leaves(udp(5_000, 53, out=True))
    assert host.allows(udp(53, 5_000))
    assert not host.allows(udp(53, 5_001))
    assert not host.allows(udp(54, 5_000))
    assert not host.allows(udp(53, 5_000), node=OTHER), "the address has another owner now"
    host.now = DATAGRAMS_S
    assert not host.allows(udp(53, 5_000))


def test_an_echo_reply_is_an_answer_to_an_echo() -> None:
    host = Guarded()
    host.leaves(OUT / ICMPv6EchoRequest(id=7))
    assert host.allows(IN / ICMPv6EchoReply(id=7))
    assert not host.allows(IN / ICMPv6EchoReply(id=8))


def test_a_protocol_without_ports_is_answered() -> None:
    host = Guarded()
    host.leaves(IPv6(src=US, dst=THEM, nh=47) / Raw(b"gre"))
    assert host.allows(IPv6(src=THEM, dst=US, nh=47) / Raw(b"gre"))


def test_a_connection_lives_for_hours_and_ends_in_minutes() -> None:
    host = Guarded()
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.allows(tcp(22, 5_000, "SA"))
    host.now = ESTABLISHED_S - 1
    assert host.allows(tcp(22, 5_000))
    assert host.allows(tcp(22, 5_000, "FA"))
    host.now += TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_000))


def test_a_connection_that_begins_anew_at_once_lives_for_hours_too() -> None:
    host = Guarded()
    for _ in range(2):
        host.leaves(tcp(5_000, 22, "S", out=True))
        assert host.allows(tcp(22, 5_000, "SA"))
        assert host.allows(tcp(22, 5_000))
    host.now = ESTABLISHED_S - 1
    assert host.allows(tcp(22, 5_000))


def test_who_was_called_can_open_no_connection_of_his_own_by_it() -> None:
    host = Guarded()
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.allows(tcp(22, 5_000, "SA"))
    assert not host.allows(tcp(22, 5_000, "S"))
    assert host.allows(tcp(22, 5_000))


def test_a_connection_goes_on_after_a_restart_once_this_host_has_sent() -> None:
    host = Guarded()
    assert not host.allows(tcp(22, 5_000))
    host.leaves(tcp(5_000, 22, out=True))
    assert host.allows(tcp(22, 5_000))


def test_what_leaves_behind_extension_headers_is_answered() -> None:
    host = Guarded()
    host.leaves(OUT / IPv6ExtHdrDestOpt() / UDP(sport=5_000, dport=53))
    assert host.allows(udp(53, 5_000))
    assert host.allows(IN / IPv6ExtHdrDestOpt() / UDP(sport=53, dport=5_000))


def test_flows_of_one_train_are_told_apart() -> None:
    host = Guarded()
    host.leaves(udp(5_000, 53, out=True), udp(5_000, 53, out=True), udp(5_001, 53, out=True), tcp(1, 2, out=True))
    packets = [udp(53, port) for port in (5_000, 5_000, 5_002, 5_000, 5_001)] + [tcp(2, 1), tcp(2, 3)]
    assert host.enters(*packets) == [True, True, False, True, True, True, False]


def test_a_run_of_one_flow_hides_no_other_behind_it() -> None:
    host = Guarded()
    host.leaves(
        *[udp(5_000, 53, out=True)] * 4, udp(5_001, 53, out=True), *[tcp(1, 2, out=True)] * 4, tcp(3, 4, out=True)
    )
    assert host.policy.counters.flows_begun == 4
    assert host.enters(*[udp(53, 5_000)] * 4, udp(53, 5_001), *[tcp(2, 1)] * 4, tcp(4, 3), udp(53, 5_002)) == [
        True
    ] * 10 + [False]
    behind = OUT / IPv6ExtHdrDestOpt() / TCP(sport=1, dport=2, flags="A")
    host.leaves(behind, behind)
    assert host.policy.counters.flows_begun == 4
    host.leaves(udp(5_000, 53, out=True), node=OTHER)
    assert host.policy.counters.flows_begun == 5, "the address has another owner now"


def test_what_a_datagram_has_where_flags_would_be_means_nothing() -> None:
    host = Guarded()
    asked = OUT / UDP(sport=5_000, dport=53) / Raw(b"\xff" * 20)
    host.leaves(asked, asked, asked)
    answer = IN / UDP(sport=53, dport=5_000) / Raw(b"\xff" * 20)
    assert host.enters(answer, answer, answer) == [True] * 3
    host.now = TRANSITORY_S + 1
    assert host.allows(answer)


def test_a_connection_that_ended_behind_extension_headers_has_ended() -> None:
    host = Guarded()
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.allows(tcp(22, 5_000, "SA"))
    host.leaves(OUT / IPv6ExtHdrDestOpt() / TCP(sport=5_000, dport=22, flags="R"))
    host.now = TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_000))


def test_the_end_of_a_connection_is_seen_among_its_packets() -> None:
    host = Guarded()
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.enters(tcp(22, 5_000, "SA"), tcp(22, 5_000), tcp(22, 5_000, "R")) == [True] * 3
    host.now = TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_000))
    host.leaves(tcp(5_001, 22, "S", out=True), tcp(5_001, 22, out=True), tcp(5_001, 22, "FA", out=True))
    host.now += TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_001))


def test_this_host_ends_a_connection_whose_packets_it_has_just_sent() -> None:
    host = Guarded()
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.allows(tcp(22, 5_000, "SA"))
    host.leaves(tcp(5_000, 22, out=True), tcp(5_000, 22, "FA", out=True))
    host.now = TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_000))


def test_packets_of_who_began_a_connection_are_no_answers_behind_extension_headers_either() -> None:
    host = Guarded()
    for flags in "SA":
        host.leaves(OUT / IPv6ExtHdrDestOpt() / TCP(sport=5_000, dport=22, flags=flags))
    host.now = TRANSITORY_S + 1
    assert not host.allows(tcp(22, 5_000))


def test_datagrams_behind_extension_headers_end_no_flow() -> None:
    host = Guarded()
    behind = IPv6ExtHdrDestOpt()
    for _ in range(2):
        host.leaves(OUT / behind / UDP(sport=5_000, dport=53))
        assert host.allows(IN / behind / UDP(sport=53, dport=5_000))
    host.now = DATAGRAMS_S - 1
    assert host.allows(IN / behind / UDP(sport=53, dport=5_000))
    assert host.policy.counters.flows_begun == 1
    assert not any(flow.is_closing for flow in host.policy.flows.departing[17].values())


@pytest.mark.parametrize("out", [True, False])
def test_of_a_flow_in_full_swing_a_packet_is_noted_once_a_second(out: bool) -> None:
    host = Guarded()

    def passes() -> None:
        if out:
            host.leaves(udp(5_000, 53, out=True))
        else:
            assert host.allows(udp(53, 5_000))

    host.leaves(udp(5_000, 53, out=True))
    passes()
    [flow] = host.policy.flows.departing[17].values()
    kept = []
    for host.now in (0.0, NOTED_S / 2, NOTED_S, NOTED_S * 1.5):
        passes()
        kept.append(flow.until - DATAGRAMS_S)
    assert kept == [0.0, 0.0, NOTED_S, NOTED_S]


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ICMPv6DestUnreach(code=1), ICMPv6PacketTooBig(mtu=1_280)])
def test_errors_come_in_about_what_left_from_where_it_went(error: Packet) -> None:
    host = Guarded({"packets": ["deny icmp"]})
    left = tcp(5_000, 22, "S", out=True)
    assert not host.allows(IN / error / left)
    host.leaves(left)
    assert host.allows(IN / error / left)
    assert host.allows(IN / error / Raw(bytes(left)[:48]))
    assert not host.allows(IN / error / Raw(bytes(left)[:47]))
    assert not host.allows(IN / error / tcp(5_000, 23, "S", out=True))
    assert not host.allows(IN / error / left, node=OTHER)
    assert not host.allows(IN / error / Raw(b"nothing"))


def test_an_echo_is_no_error_whatever_it_quotes_and_an_error_about_what_is_over_stays_out() -> None:
    host = Guarded({"packets": ["deny icmp"]})
    left = udp(5_000, 53, out=True)
    host.leaves(left)
    assert not host.allows(IN / ICMPv6EchoRequest(id=7) / left)
    host.now = DATAGRAMS_S
    assert not host.allows(IN / ICMPv6DestUnreach(code=1) / left)


def test_a_datagram_that_leaves_behind_extension_headers_keeps_its_flow() -> None:
    host = Guarded()
    for _ in range(3):
        host.leaves(OUT / IPv6ExtHdrDestOpt() / UDP(sport=5_000, dport=53) / Raw(b"data"))
    assert host.policy.counters.flows_begun == 1


def test_an_error_that_this_host_sends_lets_nothing_in() -> None:
    host = Guarded()
    host.leaves(OUT / ICMPv6DestUnreach() / udp(1, 2))
    assert len(host.policy.flows) == 0


# -- fragments ---------------------------------------------------------------------------------------------------------


def fragments(port: int, number: int = 77) -> tuple[Packet, Packet]:
    first = IN / IPv6ExtHdrFragment(id=number, m=1, nh=17) / UDP(sport=53, dport=port, len=108) / Raw(bytes(96))
    return first, IN / IPv6ExtHdrFragment(id=number, offset=13, nh=17) / Raw(bytes(100))


def test_later_fragments_come_in_behind_a_first_one_that_may() -> None:
    host = Guarded({"packets": ["allow udp 5000"]})
    allowed, denied, other = fragments(5_000), fragments(5_001, 78), fragments(5_000, 79)
    assert host.enters(*allowed, *denied, other[1]) == [True, True, False, False, False]
    assert not host.allows(allowed[1], node=OTHER)
    host.now = FRAGMENTS_S + 1
    assert not host.allows(allowed[1])


def test_an_answer_in_fragments_comes_in() -> None:
    host = Guarded()
    host.leaves(udp(5_000, 53, out=True))
    assert host.enters(*fragments(5_000)) == [True, True]


def test_so_many_first_fragments_are_remembered_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_policy_module, "FRAGMENTED_PACKETS_PER_NODE", 2)
    host = Guarded({"packets": ["allow udp"]})
    pairs = [fragments(5_000, number) for number in range(3)]
    assert host.enters(*(first for first, _ in pairs)) == [True] * 3
    assert host.enters(*(later for _, later in pairs)) == [False, True, True]


# -- rules -------------------------------------------------------------------------------------------------------------


def test_rules_let_in_by_protocol_port_and_node() -> None:
    host = Guarded({"packets": [f"allow tcp 22 from {THEM}", "allow udp 53", "deny udp"]})
    assert host.enters(tcp(1, 22, "S"), tcp(1, 23, "S"), udp(1, 53), udp(1, 54)) == [True, False, True, False]
    third = IPv6(src=THIRD, dst=US)
    packets = (third / TCP(sport=1, dport=22, flags="S"), third / UDP(sport=1, dport=53))
    assert host.enters(*packets, node=OTHER) == [False, True]


def test_with_an_open_default_rules_shut_out_and_answers_come_in_still() -> None:
    host = Guarded({"default": "open", "packets": [f"deny from {THEM}"]})
    assert not host.allows(tcp(1, 22, "S"))
    assert host.allows(IPv6(src=THIRD, dst=US) / TCP(sport=1, dport=22, flags="S"), node=OTHER)
    host.leaves(tcp(5_000, 22, "S", out=True))
    assert host.allows(tcp(22, 5_000, "SA"))


def test_a_name_lets_in_whoever_has_it_at_that_time() -> None:
    host = Guarded({"default": "closed", "packets": ["allow tcp 22 from berlin"]}, is_private=True)
    assert not host.allows(tcp(1, 22, "S"))
    host.names = {"berlin": NODE}
    assert host.allows(tcp(1, 22, "S"))
    host.names = {"berlin": OTHER}
    assert not host.allows(tcp(2, 22, "S"))
    host.names = {"berlin": NODE}
    assert host.allows(tcp(3, 22, "S"))
    host.names = {}
    assert not host.allows(tcp(4, 22, "S"))


def test_a_flow_is_judged_once_and_again_by_other_rules() -> None:
    host = Guarded({"packets": ["allow tcp 22"]})
    host.leaves(tcp(5_000, 80, "S", out=True))
    assert host.allows(tcp(1, 22, "S"))
    host.leaves(tcp(22, 1, "SA", out=True))
    assert host.policy.counters.flows_begun == 2
    host.policy.follow(parse_policy("closed"))
    assert not host.allows(tcp(1, 22))
    assert host.allows(tcp(80, 5_000, "SA")), "this host began it"
    host.policy.follow(parse_policy("open"))
    assert host.policy.admits is None


def test_a_node_with_too_many_flows_is_refused_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.policy.flows.FLOWS_PER_NODE", 1)
    host = Guarded({"packets": ["allow tcp"]})
    assert host.allows(tcp(1, 22, "S"))
    host.leaves(tcp(22, 1, "SA", out=True))
    assert not host.allows(tcp(2, 22, "S"))
    assert host.policy.counters.flows_refused == 1


def test_tables_are_shared_bounded_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_policy_module, "POLICY_TABLES", 4)
    host = Guarded({"packets": ["allow udp 53"]})
    for number in range(9):
        assert host.allows(udp(1, 53), node=bytes(15) + bytes([number]))
        assert len(host.policy._tables) == number % 4 + 1
        assert len(host.policy._shared) == 1


def test_tables_that_nodes_do_not_share_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_policy_module, "POLICY_TABLES", 4)
    nodes = [bytes.fromhex(f"0400000{number}") + bytes(12) for number in range(9)]
    host = Guarded({"packets": [f"allow udp 53 from 400:{number}::/32" for number in range(9)]})
    for number, node in enumerate(nodes):
        assert host.allows(udp(1, 53), node=node)
        assert len(host.policy._shared) == number % 4 + 1


# -- links and sessions ------------------------------------------------------------------------------------------------


def test_links_and_sessions_have_rules_of_their_own() -> None:
    policy = Guarded({"links": [f"deny from {THEM}"], "sessions": [f"allow from {THEM}", "deny"]}).policy
    assert (policy.allows_neighbour(NODE), policy.allows_neighbour(OTHER)) == (False, True)
    assert (policy.allows_session(NODE, now=0.0), policy.allows_session(OTHER, now=0.0)) == (True, False)
    assert not policy.allows_prefix(NODE, 64, bytes(16))
    free = Guarded().policy
    assert free.allows_neighbour(NODE)
    assert free.allows_session(NODE, now=0.0)


def test_who_is_no_member_gets_no_link_and_no_session_whatever_rules_say() -> None:
    policy = Guarded({"links": ["allow"], "sessions": ["allow"]}).policy
    policy.bars = lambda node: "it was removed" if node == NODE else None
    assert (policy.allows_neighbour(NODE), policy.allows_neighbour(OTHER)) == (False, True)
    assert (policy.allows_session(NODE, now=0.0), policy.allows_session(OTHER, now=0.0)) == (False, True)


# -- anything ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=100), max_size=6), st.booleans())
def test_of_any_bytes_nothing_enters_but_echoes(packets: list[bytes], is_headed: bool) -> None:
    host = Guarded()
    head = bytes(IN)[:40] if is_headed else b""
    arrived = [(memoryview(bytearray(head + data)), 0, 0) for data in packets if head + data]
    assert host.policy.admits is not None
    refused = {id(one) for one in host.policy.admits(NODE, arrived, now=0.0)}
    for one in arrived:
        assert id(one) in refused or 128 in bytes(one[0])
