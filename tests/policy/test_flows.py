"""Flows: how long each is kept, whose give way, and what a full table does."""

from math import inf

import pytest

from mycelium.packet.ipv6 import ICMPV6, TCP, UDP
from mycelium.packet.offload import TCP_ACK, TCP_FIN
from mycelium.policy import flows as flows_module
from mycelium.policy.flows import (
    DATAGRAMS_S,
    ECHO_S,
    ESTABLISHED_S,
    NOTED_S,
    TCP_RST,
    TCP_SYN,
    TRANSITORY_S,
    Flows,
    PacketFlow,
)
from mycelium.policy.headers import reversed_key

NODE, OTHER = b"n" * 16, b"o" * 16


def key(number: int, node: bytes = NODE) -> bytes:
    return bytes(16) + node + number.to_bytes(4, "big")


def begin(flows: Flows, number: int, *, node: bytes = NODE, here: bool = True, now: float = 0.0) -> bool:
    return flows.begin(node, UDP, key(number, node), begun_here=here, now=now)


def full_of(count: int, *, here: bool = True) -> Flows:
    """Returns so many flows of one node, all answered, so that none gives way."""
    flows = Flows()
    for number in range(count):
        begin(flows, number, here=here)
    for one in flows.departing[UDP].values():
        one.used(is_answer=True, now=0.0)
    return flows


def numbers(flows: Flows, node: bytes = NODE) -> list[int]:
    return [int.from_bytes(one[-4:], "big") for one in flows.departing[UDP] if one[16:32] == node]


def flow(protocol: int, *, here: bool = True) -> PacketFlow:
    return PacketFlow(NODE, protocol, key(1), begun_here=here, now=0.0)


@pytest.mark.parametrize(("protocol", "seconds"), [(UDP, DATAGRAMS_S), (ICMPV6, ECHO_S), (47, DATAGRAMS_S)])
def test_a_flow_without_connections_is_kept_from_its_last_packet_on(protocol: int, seconds: float) -> None:
    one = flow(protocol)
    one.used(is_answer=True, now=100.0)
    assert one.until == 100.0 + seconds


def test_a_connection_is_kept_long_once_it_is_answered_and_short_once_it_ends() -> None:
    one = flow(TCP)
    assert one.until == TRANSITORY_S
    one.used(is_answer=True, now=1.0)
    assert one.until == 1.0 + ESTABLISHED_S
    assert one.take_flags(TCP_FIN | TCP_ACK, is_answer=True)
    one.used(is_answer=True, now=2.0)
    assert one.until == 2.0 + TRANSITORY_S
    assert one.may_give_way(now=2.0)


def test_packets_of_who_began_it_are_no_answers_and_an_answer_does_not_revive_what_ended() -> None:
    one = flow(TCP)
    one.used(is_answer=False, now=1.0)
    assert (one.is_answered, one.until) == (False, 1.0 + TRANSITORY_S)
    one.take_flags(TCP_RST, is_answer=True)
    one.used(is_answer=True, now=2.0)
    assert one.until == 2.0 + TRANSITORY_S
    assert flow(UDP).may_give_way(now=0.0), "nobody has answered"
    assert not answered(UDP).may_give_way(now=DATAGRAMS_S - 0.1)
    assert answered(UDP).may_give_way(now=DATAGRAMS_S)


@pytest.mark.parametrize("here", [True, False])
def test_packets_of_each_direction_are_noted_once_a_second(here: bool) -> None:
    one = flow(TCP, here=here)
    one.used(is_answer=not here, now=1.0)
    assert (one.departures_noted_until, one.arrivals_noted_until) == (1.0 + NOTED_S, -inf)
    one.used(is_answer=here, now=1.5)
    assert (one.departures_noted_until, one.arrivals_noted_until) == (1.0 + NOTED_S, 1.5 + NOTED_S)
    one.take_flags(TCP_SYN, is_answer=False)
    assert (one.departures_noted_until, one.arrivals_noted_until) == (-inf, -inf), "the answer to it is to be noted"


def answered(protocol: int) -> PacketFlow:
    one = flow(protocol)
    one.used(is_answer=True, now=0.0)
    return one


def test_a_connection_that_begins_anew_is_kept_short_until_it_is_answered() -> None:
    one = answered(TCP)
    one.take_flags(TCP_SYN, is_answer=False)
    one.used(is_answer=False, now=1.0)
    assert one.until == 1.0 + TRANSITORY_S


def test_a_reset_ends_a_connection_and_a_new_one_of_the_same_end_begins() -> None:
    one = flow(TCP)
    one.used(is_answer=True, now=1.0)
    assert one.take_flags(TCP_RST, is_answer=False)
    assert one.is_closing
    assert one.take_flags(TCP_SYN, is_answer=False)
    assert not one.is_closing
    assert not one.is_answered


def test_the_other_end_can_begin_none_between_the_same_ports_once_it_has_answered() -> None:
    one = flow(TCP)
    assert one.take_flags(TCP_SYN, is_answer=True), "both open at once"
    assert one.take_flags(TCP_SYN | TCP_ACK, is_answer=True)
    one.used(is_answer=True, now=1.0)
    assert not one.take_flags(TCP_SYN, is_answer=True)


def test_a_flow_is_found_from_both_sides() -> None:
    flows = Flows()
    assert begin(flows, 7)
    assert flows.departing[UDP][key(7)] is flows.arriving[UDP][reversed_key(key(7))]
    assert begin(flows, 7, here=False)
    assert len(flows) == 1
    assert not flows.departing[UDP][key(7)].begun_here


def test_old_flows_are_forgotten_as_new_ones_begin() -> None:
    flows = Flows()
    for number in range(4):
        begin(flows, number)
    for number in range(4, 8):
        begin(flows, number, now=DATAGRAMS_S + 1)
    assert numbers(flows) == [4, 5, 6, 7]
    assert len(flows) == 4


def test_a_node_with_its_share_can_begin_no_more_and_this_host_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS_PER_NODE", 3)
    flows = full_of(3)
    assert not begin(flows, 3, here=False)
    assert begin(flows, 4)
    assert len(flows) == 3
    assert 4 in numbers(flows)
    assert begin(flows, 5, here=False), "nobody has answered the one before, which gives way"
    assert begin(flows, 1, node=OTHER, here=False)


def test_one_node_alone_in_a_full_table_can_begin_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS", 3)
    flows = full_of(3)
    assert not begin(flows, 3, here=False)
    assert begin(flows, 4)
    assert len(flows) == 3


def test_a_flow_that_may_give_way_is_found_behind_those_that_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS_PER_NODE", 20)
    flows = Flows()
    for number in range(20):
        begin(flows, number)
    for one in list(flows.departing[UDP].values())[:-1]:
        one.used(is_answer=True, now=0.0)
    assert any(begin(flows, 20 + number, here=False) for number in range(3))
    assert 19 not in numbers(flows)


def test_few_flows_are_looked_at_for_one_that_may_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS_PER_NODE", 20)
    flows = full_of(19)
    begin(flows, 19)  # which nobody has answered
    assert begin(flows, 20)
    assert {19, 20} <= set(numbers(flows))
    assert len(flows) == 20


def test_of_nodes_with_equally_many_none_gives_way_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS", 6)
    flows = full_of(3)
    for number in range(3):
        begin(flows, number, node=OTHER)
    for one in flows.departing[UDP].values():
        one.used(is_answer=True, now=0.0)
    assert not begin(flows, 3, node=OTHER, here=False)
    assert sorted(numbers(flows)) == sorted(numbers(flows, OTHER)) == [0, 1, 2]


def test_a_flow_may_give_way_from_the_moment_on_at_which_it_ends() -> None:
    one = flow(UDP)
    one.used(is_answer=True, now=0.0)
    assert not one.may_give_way(now=DATAGRAMS_S - 0.001)
    assert one.may_give_way(now=DATAGRAMS_S)
    flows = full_of(2)
    begin(flows, 2, now=DATAGRAMS_S)
    assert numbers(flows) == [2]


def test_a_node_without_flows_is_forgotten() -> None:
    flows = Flows()
    begin(flows, 1, here=False)
    flows.forget_arrived()
    assert flows._by_node == {}


def test_in_a_full_table_flows_of_the_node_with_most_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS", 10)
    flows = full_of(10, here=False)
    assert [begin(flows, number, node=OTHER, here=False) for number in range(4)] == [True] * 4
    assert (len(flows), len(numbers(flows)), len(numbers(flows, OTHER))) == (10, 6, 4)


def test_in_a_full_table_flows_that_are_over_speak_against_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_module, "FLOWS", 4)
    flows = full_of(3, here=False)
    flows.forget_arrived()
    assert begin(flows, 3)
    for number in range(3):
        begin(flows, number, node=OTHER)
    assert begin(flows, 1, node=b"t" * 16)
    assert (numbers(flows), len(numbers(flows, OTHER))) == ([3], 2)


def test_what_others_began_is_forgotten_at_once() -> None:
    flows = Flows()
    begin(flows, 1, here=False)
    begin(flows, 2)
    flows.forget_arrived()
    assert numbers(flows) == [2]
    assert list(flows.arriving[UDP]) == [reversed_key(key(2))]
